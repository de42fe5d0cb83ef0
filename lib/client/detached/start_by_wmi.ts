import { join } from "@std/path/join";
import { SECOND_MS } from "../../base/units.ts";
import { joinCommandLine } from "../../base/windows_command_line.ts";
import type { ProgramStart } from "./start_process.ts";

const TIMEOUT_MS = 20 * SECOND_MS;

/**
 * Has Windows' management service start a program, which is then no descendant of this process and in none of its jobs:
 * 16777216 is CREATE_BREAKAWAY_FROM_JOB, here from the job of the service. The data comes on stdin, not in the script.
 */
const SCRIPT = [
  "$ErrorActionPreference = 'Stop'",
  "$start = [Console]::In.ReadToEnd() | ConvertFrom-Json",
  "$how = @{ ShowWindow = [uint16]0; CreateFlags = [uint32]16777216; EnvironmentVariables = [string[]]$start.env }",
  "$startup = New-CimInstance -ClassName Win32_ProcessStartup -ClientOnly -Property $how",
  "$with = @{ CommandLine = $start.line; CurrentDirectory = $start.cwd; ProcessStartupInformation = $startup }",
  "$made = Invoke-CimMethod -ClassName Win32_Process -MethodName Create -Arguments $with",
  "if ($made.ReturnValue -ne 0) { throw ('Win32_Process.Create returned ' + $made.ReturnValue) }",
  "[Console]::Out.Write($made.ProcessId)",
].join("; ");

/**
 * Starts a program by Windows' management service.
 *
 * @param systemRoot where Windows is; a program of another directory must not be run in PowerShell's place
 * @returns its process id
 * @throws when PowerShell or the service is not there, or refuses
 */
export async function startByWmi(start: ProgramStart, systemRoot: string): Promise<number> {
  const powershell = join(systemRoot, "System32", "WindowsPowerShell", "v1.0", "powershell.exe");
  const child = new Deno.Command(powershell, {
    args: ["-NoProfile", "-NonInteractive", "-Command", SCRIPT],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
    signal: AbortSignal.timeout(TIMEOUT_MS),
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(wmiInput(start)));
  await writer.close();
  const { success, stdout, stderr } = await child.output();
  const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes).trim();
  const pid = Number(decode(stdout));
  if (!success || !(pid > 0)) throw new Error(decode(stderr).split(/\r?\n/)[0] || "PowerShell says nothing");
  return pid;
}

/** What the script reads: JSON in ASCII, since PowerShell reads stdin in the code page of the console. */
export function wmiInput({ command, args, cwd, env }: ProgramStart): string {
  const input = {
    line: joinCommandLine(command, args),
    cwd,
    env: Object.entries(env).map(([name, value]) => `${name}=${value}`),
  };
  return JSON.stringify(input).replace(
    /[^\x20-\x7e]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
