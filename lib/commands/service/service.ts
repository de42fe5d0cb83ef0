import type { CommandFlag, CommandGroup } from "../command.ts";
import { install } from "./install.ts";
import { status } from "./service_status.ts";
import { uninstall } from "./uninstall.ts";

const NO_SOCKET: CommandFlag = {
  name: "no-socket",
  help: "Start at login on Linux too, not with the first client",
};

export const serviceCommand: CommandGroup = {
  summary: "Have the system start the daemon: systemd, launchd or the Task Scheduler of Windows",
  about: [
    "The daemon needs no service: the first window starts it. A service also starts it for clients that connect by " +
    "themselves, and starts it again when it fails.",
  ],
  actions: {
    install: {
      summary: "Install the daemon as a service of yours, and start it",
      forms: [
        {
          args: "",
          does: "installs the daemon as a service of yours; it takes the place of the one that runs",
        },
        { args: "--dry-run", does: "shows the files and commands of that, and does nothing" },
      ],
      flags: [{ name: "dry-run", help: "Only show what would be done" }, NO_SOCKET],
      run: install,
    },
    uninstall: {
      summary: "Take the service away",
      forms: [{
        args: "",
        does: "ends the service and takes it away; the first window starts the daemon again",
      }],
      run: uninstall,
    },
    status: {
      summary: "Show how the service stands",
      forms: [{ args: "", does: "shows whether there is a service, and whether its daemon runs" }],
      exits: { 1: "there is no service, or it cannot do its work" },
      run: status,
    },
  },
};
