import { messageOf } from "../base/errors.ts";
import { type JsonObject, textOf } from "../base/json.ts";
import { SECOND_MS } from "../base/units.ts";
import { runtimeDir, type StatePaths, windowsProgram } from "../config/paths.ts";
import { parseObject } from "./frames.ts";
import { readOwnFile } from "./own_files.ts";

const MANAGERS = ["systemd", "launchd", "tasks"] as const;

/** The programs that run the daemon as a service. */
export type ServiceManager = (typeof MANAGERS)[number];

/** A command line of a service manager. */
export interface ManagerCommand {
  command: string;
  args: string[];
}

/** The daemon of a state directory as a service, as `exai-daemon service install` has left it. */
export interface InstalledService extends ManagerCommand {
  manager: ServiceManager;
  id: string;
  port?: number;
}

/** The service that the daemon of this state directory is installed as; undefined when it is none. */
export async function readInstalledService(
  { service }: Pick<StatePaths, "service">,
): Promise<InstalledService | undefined> {
  const { text } = await readOwnFile(service);
  return text === undefined ? undefined : serviceOf(parseObject(text));
}

function serviceOf(record: JsonObject | undefined): InstalledService | undefined {
  const manager = MANAGERS.find((manager) => manager === record?.manager);
  const [id, port, program] = [textOf(record?.id), record?.port, commandOf(record)];
  const isPort = port === undefined || Number.isSafeInteger(port);
  if (!manager || id === undefined || !/^[\w-]+$/.test(id) || !isPort || !program) return undefined;
  return { ...program, manager, id, port: port as number | undefined };
}

/** The command line in a record of a program; undefined where there is none. */
export function commandOf(record: JsonObject | undefined): ManagerCommand | undefined {
  const [command, args] = [textOf(record?.command), record?.args];
  if (command === undefined || !Array.isArray(args)) return undefined;
  return args.every((arg) => typeof arg === "string") ? { command, args } : undefined;
}

/** The command line that starts the service. */
export function startCommandOf({ manager, id }: Pick<InstalledService, "manager" | "id">): ManagerCommand {
  switch (manager) {
    case "systemd":
      return { command: "systemctl", args: ["--user", "start", `${id}.service`] };
    case "launchd":
      return { command: "/bin/launchctl", args: ["kickstart", `gui/${Deno.uid()}/${id}`] };
    case "tasks":
      return { command: windowsProgram("schtasks.exe"), args: ["/Run", "/TN", id] };
  }
}

/** Runs a service manager; what it said, and `fault` when it did not do it. */
export async function runManager(
  { command, args }: ManagerCommand,
): Promise<{ text: string; fault?: string }> {
  try {
    const env = managerEnvironment();
    const { success, stdout, stderr } = await new Deno.Command(command, { args, env, stdin: "null" })
      .output();
    const [text, complaint] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes).trim());
    return success ? { text: text! } : { text: text!, fault: complaint || text || `${command} failed` };
  } catch (thrown) {
    return { text: "", fault: `${command} cannot be run: ${messageOf(thrown)}` };
  }
}

/** Clients that pass on a few variables only leave out the one by which `systemctl --user` finds its manager. */
function managerEnvironment(): Record<string, string> {
  const isKnown = Deno.build.os !== "linux" || runtimeDir() !== undefined;
  return isKnown ? {} : { XDG_RUNTIME_DIR: `/run/user/${Deno.uid()}` };
}

/**
 * After how long without a daemon its service is started again: a manager takes one that is about to end for one that
 * runs, and says that it has started it.
 */
const START_AGAIN_MS = 2 * SECOND_MS;

/** Starts the service of this state directory from time to time, until its daemon answers. */
export class ServiceStart {
  readonly #paths: StatePaths;
  #againAt = 0;

  constructor(paths: StatePaths) {
    this.#paths = paths;
  }

  /** Starts it, unless that was a moment ago; `fault` when there is none that starts. */
  async attempt(): Promise<{ fault?: string }> {
    if (performance.now() < this.#againAt) return {};
    const { fault } = await startInstalledService(this.#paths);
    this.#againAt = performance.now() + START_AGAIN_MS;
    return { fault };
  }
}

/** Starts the service of this state directory; `fault` when there is none that starts. */
async function startInstalledService(paths: StatePaths): Promise<{ fault?: string }> {
  const service = await readInstalledService(paths);
  return service ? await runManager(startCommandOf(service)) : { fault: `${paths.service} cannot be used` };
}

/** Whether `service` runs the same program as `own`, with whatever flags. */
export function runsProgram({ command, args }: InstalledService, own: ManagerCommand): boolean {
  return command === own.command && own.args.every((arg, n) => args[n] === arg);
}
