import { SECOND_MS } from "../../base/units.ts";
import { startCommandOf } from "../../client/installed_service.ts";
import { SETTINGS_EXIT_CODE } from "../../config/settings.ts";
import type { ServicePlan, ServiceSpec, ServiceState } from "./plan.ts";

/**
 * A systemd user unit and, where the daemon is to start with its first client, the socket unit that systemd listens with.
 *
 * @param dir the directory of the user's units
 */
export function systemdPlan(spec: ServiceSpec, dir: string): ServicePlan {
  const { id, socket } = spec;
  const units = [`${id}.service`, ...(socket ? [`${id}.socket`] : [])];
  const systemctl = (...args: string[]) => ({ command: "systemctl", args: ["--user", ...args] });
  const files = [{ path: `${dir}/${id}.service`, text: serviceUnit(spec) }];
  if (socket) files.push({ path: `${dir}/${id}.socket`, text: socketUnit(socket) });
  return {
    manager: "systemd",
    managerName: "systemd",
    id,
    files,
    probe: systemctl("show-environment"),
    enable: [
      systemctl("daemon-reload"),
      // What is started by the socket must not be started at login as well.
      systemctl("enable", socket ? `${id}.socket` : `${id}.service`),
      ...(socket ? [systemctl("start", `${id}.socket`)] : []),
    ],
    start: startCommandOf({ manager: "systemd", id }),
    // The socket first: it would start the service again.
    disable: units.toReversed().map((unit) => systemctl("disable", "--now", unit)),
    forget: [systemctl("daemon-reload"), ...units.map((unit) => systemctl("reset-failed", unit))],
    query: systemctl(
      "show",
      `${id}.service`,
      ...(socket ? [`${id}.socket`] : []),
      "--property=LoadState,ActiveState,UnitFileState,MainPID",
    ),
    readState,
  };
}

function serviceUnit({ command, args, stopTimeoutMs, socket }: ServiceSpec): string {
  const line = [quoted(command), ...args.map((arg) => quoted(arg).replaceAll("$", "$$$$"))].join(" ");
  return `[Unit]
Description=EXAI daemon
StartLimitIntervalSec=60
StartLimitBurst=5

[Service]
Type=exec
ExecStart=${line}
Restart=on-failure
RestartSec=1
# Its settings are wrong, which another start does not mend.
RestartPreventExitStatus=${SETTINGS_EXIT_CODE}
# The daemon ends its servers by itself. One that is killed for lack of memory must not take it along.
KillMode=mixed
OOMPolicy=continue
TimeoutStopSec=${Math.ceil(stopTimeoutMs / SECOND_MS)}
LimitNOFILE=8192:524288
${socket ? "" : "\n[Install]\nWantedBy=default.target\n"}`;
}

function socketUnit({ hostname, port }: { hostname: string; port: number }): string {
  const host = hostname.includes(":") ? `[${hostname}]` : hostname;
  return `[Unit]
Description=EXAI daemon, started by its first client

[Socket]
ListenStream=${host}:${port}

[Install]
WantedBy=sockets.target
`;
}

/** One word of a command line (systemd.service(5), "Command lines"; systemd.unit(5), "Specifiers"). */
function quoted(word: string): string {
  const escaped = word.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n")
    .replaceAll("%", "%%");
  return `"${escaped}"`;
}

/** The first unit is the service; it is enabled if any of the units is. */
function readState(text: string): ServiceState | undefined {
  const units = text.split("\n\n").map((block) =>
    new Map(block.split("\n").map((line) => [line.split("=", 1)[0]!, line.slice(line.indexOf("=") + 1)]))
  );
  const [service] = units;
  if (service?.get("LoadState") !== "loaded") return undefined;
  const pid = Number(service.get("MainPID"));
  return {
    state: service.get("ActiveState") ?? "unknown",
    isEnabled: units.some((unit) => unit.get("UnitFileState") === "enabled"),
    ...(pid > 0 ? { pid } : {}),
  };
}
