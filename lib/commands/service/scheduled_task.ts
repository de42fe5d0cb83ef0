import { quoteArgument } from "../../base/windows_command_line.ts";
import { startCommandOf } from "../../client/installed_service.ts";
import { escapeXml, type ServicePlan, type ServiceSpec } from "./plan.ts";

/** What a scheduled task needs to know of the machine. */
interface TaskPlace {
  /** Where the task's XML is written, for `schtasks` to read. */
  dir: string;
  /** The user it runs as, and at whose logon it starts: `DOMAIN\name`. */
  account: string;
  /** The full path of a program of Windows. */
  program(name: string): string;
}

/** A scheduled task of Windows that starts at logon, without a window. */
export function scheduledTaskPlan(spec: ServiceSpec, { dir, account, program }: TaskPlace): ServicePlan {
  const { id } = spec;
  const path = `${dir}\\${id}.xml`;
  const schtasks = (...args: string[]) => ({ command: program("schtasks.exe"), args });
  return {
    manager: "tasks",
    managerName: "the Task Scheduler",
    id,
    files: [{ path, text: taskXml(spec, { account, host: program("conhost.exe") }), encoding: "utf-16" }],
    enable: [schtasks("/Create", "/TN", id, "/XML", path, "/F")],
    start: startCommandOf({ manager: "tasks", id }),
    disable: [schtasks("/End", "/TN", id), schtasks("/Delete", "/TN", id, "/F")],
    forget: [],
    query: schtasks("/Query", "/TN", id, "/FO", "CSV", "/NH"),
    // The words of the state are those of the user's language; that it is known is what the exit code says.
    readState: () => ({ state: "registered", isEnabled: true }),
  };
}

/**
 * The task. `conhost --headless` gives the daemon, a console program, a console that has no window: a hidden task still
 * shows one, and a program that hides its own makes it flash. The defaults of a task would end the daemon after three
 * days and on battery, and run it with low priority. `Parallel`: the task runs a moment longer than its daemon, and a start
 * at that moment counts; a daemon beside another ends by itself.
 */
function taskXml(
  { command, args }: ServiceSpec,
  { account, host }: { account: string; host: string },
): string {
  const line = ["--headless", ...[command, ...args].map(quoteArgument)].join(" ");
  return `<?xml version="1.0" encoding="UTF-16"?>
<Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">
  <RegistrationInfo>
    <Description>EXAI daemon</Description>
  </RegistrationInfo>
  <Triggers>
    <LogonTrigger>
      <Enabled>true</Enabled>
      <UserId>${escapeXml(account)}</UserId>
    </LogonTrigger>
  </Triggers>
  <Principals>
    <Principal id="Author">
      <UserId>${escapeXml(account)}</UserId>
      <LogonType>InteractiveToken</LogonType>
      <RunLevel>LeastPrivilege</RunLevel>
    </Principal>
  </Principals>
  <Settings>
    <MultipleInstancesPolicy>Parallel</MultipleInstancesPolicy>
    <DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>
    <StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>
    <StartWhenAvailable>true</StartWhenAvailable>
    <AllowStartOnDemand>true</AllowStartOnDemand>
    <ExecutionTimeLimit>PT0S</ExecutionTimeLimit>
    <Hidden>true</Hidden>
    <Priority>5</Priority>
    <RestartOnFailure>
      <Interval>PT1M</Interval>
      <Count>3</Count>
    </RestartOnFailure>
  </Settings>
  <Actions Context="Author">
    <Exec>
      <Command>${escapeXml(host)}</Command>
      <Arguments>${escapeXml(line)}</Arguments>
    </Exec>
  </Actions>
</Task>
`;
}
