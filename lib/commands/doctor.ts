import { WAIT_S } from "../doctor/installation.ts";
import type { Action } from "./command.ts";

export const doctorCommand: Action = {
  summary: "Find what is wrong with this installation, and mend what can be mended safely",
  about: [
    "It looks at settings, files, disks, the daemon, the port, the clock, proxies and programs, and starts every " +
    "server of mcp.json once in an empty directory. Nothing is changed without --fix.",
  ],
  worksDespiteFaults: true,
  forms: [
    { args: "", does: "says what is wrong, and how to mend it" },
    {
      args: "--fix",
      does: "mends what is safe first: rights of files, leftovers, a daemon of an older version",
    },
    { args: "--quick", does: "starts no server and asks nothing outside of this machine" },
  ],
  flags: [
    { name: "fix", help: "Mend what can be mended without losing anything, and say what was done" },
    { name: "quick", help: "Start no server and connect to nothing but the daemon" },
    {
      name: "wait",
      value: "SECONDS",
      help: `How long a server may take to answer; ${WAIT_S} when not given`,
    },
  ],
  exits: { 0: "no fault was found, or none is left; there may be warnings", 1: "there are faults" },
  // What it looks with is loaded for nothing else.
  run: async (invocation) => await (await import("./doctor_run.ts")).doctor(invocation),
};
