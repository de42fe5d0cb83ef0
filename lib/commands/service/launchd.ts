import { SECOND_MS } from "../../base/units.ts";
import { startCommandOf } from "../../client/installed_service.ts";
import { escapeXml, type ServicePlan, type ServiceSpec, type ServiceState } from "./plan.ts";

/**
 * A launchd agent of the user (launchd.plist(5)).
 *
 * @param dir the directory of the user's agents
 */
export function launchdPlan(spec: ServiceSpec, { dir, uid }: { dir: string; uid: number }): ServicePlan {
  const { id } = spec;
  const path = `${dir}/${id}.plist`;
  const [domain, target] = [`gui/${uid}`, `gui/${uid}/${id}`];
  const launchctl = (...args: string[]) => ({ command: "/bin/launchctl", args });
  return {
    manager: "launchd",
    managerName: "launchd",
    id,
    files: [{ path, text: propertyList(spec) }],
    probe: launchctl("print", domain),
    // `enable` undoes what the user may have switched off in the settings of the system.
    enable: [launchctl("enable", target), launchctl("bootstrap", domain, path)],
    start: startCommandOf({ manager: "launchd", id }),
    disable: [launchctl("bootout", target)],
    forget: [],
    query: launchctl("print", target),
    readState,
  };
}

function propertyList({ id, command, args, stopTimeoutMs }: ServiceSpec): string {
  const words = [command, ...args].map((word) => `    <string>${escapeXml(word)}</string>`);
  // `ProcessType`: others are slowed down. `SoftResourceLimits`: 256 is too few for many windows.
  return `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
  <key>Label</key>
  <string>${id}</string>
  <key>ProgramArguments</key>
  <array>
${words.join("\n")}
  </array>
  <key>RunAtLoad</key>
  <true/>
  <key>KeepAlive</key>
  <dict>
    <key>SuccessfulExit</key>
    <false/>
  </dict>
  <key>ProcessType</key>
  <string>Interactive</string>
  <key>ExitTimeOut</key>
  <integer>${Math.ceil(stopTimeoutMs / SECOND_MS)}</integer>
  <key>SoftResourceLimits</key>
  <dict>
    <key>NumberOfFiles</key>
    <integer>8192</integer>
  </dict>
</dict>
</plist>
`;
}

/** Reads `launchctl print`, whose text no contract fixes: what is not found is left out. */
function readState(text: string): ServiceState | undefined {
  const state = /^[ \t]*state = (.+)$/m.exec(text)?.[1];
  const pid = /^[ \t]*pid = (\d+)$/m.exec(text)?.[1];
  return { state: state ?? "unknown", isEnabled: true, ...(pid ? { pid: Number(pid) } : {}) };
}
