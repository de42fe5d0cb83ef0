import { delay } from "@std/async/delay";
import { ExaiError } from "../../base/errors.ts";
import { hasDaemon } from "../../client/address.ts";
import { type InstalledService, type ManagerCommand, runManager } from "../../client/installed_service.ts";
import { readOwnFile } from "../../client/own_files.ts";
import { statePaths } from "../../config/paths.ts";
import { DAEMON_START_TIMEOUT_MS } from "../../config/settings.ts";
import { FileLock } from "../../state/file_lock.ts";
import { ensureStateDir, writePrivateFile } from "../../state/state_files.ts";
import type { CommandResult, Invocation } from "../command.ts";
import type { ServicePlan, ServiceSpec } from "./plan.ts";
import { removeService, writeServiceFiles } from "./service_files.ts";
import { servicePlan, serviceSpec } from "./service_spec.ts";
import { endRunningDaemon } from "./take_place.ts";

const POLL_MS = 100;

const WITHOUT = "nothing was installed, and nothing has to be: the first window starts the daemon by itself";

/**
 * Installs the daemon as a service of this user, and has it take the place of the one that runs.
 *
 * @throws {ExaiError} `CONFIG` when there is no service manager, or it refuses
 */
export async function install(invocation: Invocation): Promise<CommandResult> {
  const paths = statePaths(invocation.settings);
  const spec = serviceSpec(invocation);
  const plan = servicePlan(spec, paths);
  if (invocation.switches.has("dry-run")) return describePlan(plan);
  await check(plan, spec);
  await ensureStateDir(paths);
  // No window starts a daemon while none runs.
  using _lock = await FileLock.tryTake(paths.startLock);
  const goesOn = await endRunningDaemon(invocation);
  const installed = await enable(spec, plan, { home: paths.home });
  await writePrivateFile(paths.service, JSON.stringify(recordOf(installed)) + "\n");
  const why = goesOn === undefined ? await start(installed.plan, invocation) : undefined;
  if (why !== undefined) {
    throw new ExaiError("CONFIG", `the service is installed, and its daemon does not start: ${why}`);
  }
  return describe(installed, { goesOn, refused: installed.spec.socket ? undefined : spec.socket });
}

/** What was installed: the spec may be for another than was asked for. */
interface Installed {
  spec: ServiceSpec;
  plan: ServicePlan;
}

async function check({ probe, managerName }: ServicePlan, { command }: ServiceSpec): Promise<void> {
  const info = await Deno.stat(command).catch(() => undefined);
  if (!info?.isFile) {
    throw new ExaiError("CONFIG", `there is no ${command}, which the service would run; ${WITHOUT}`);
  }
  const { fault } = probe ? await runManager(probe) : {};
  if (fault === undefined) return;
  throw new ExaiError("CONFIG", `${managerName} cannot be reached for this user (${fault}); ${WITHOUT}`);
}

/** Without its socket where the address cannot be had. */
async function enable(spec: ServiceSpec, plan: ServicePlan, at: { home: string }): Promise<Installed> {
  await removeService(plan);
  await writeServiceFiles(plan);
  const fault = await runAll(plan.enable);
  if (fault === undefined) return { spec, plan };
  await removeService(plan);
  if (!spec.socket) throw new ExaiError("CONFIG", `${plan.managerName} refuses the service: ${fault}`);
  const { socket: _, ...alone } = spec;
  return await enable(alone, servicePlan(alone, at), at);
}

async function runAll(commands: readonly ManagerCommand[]): Promise<string | undefined> {
  for (const command of commands) {
    const { fault } = await runManager(command);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

/** Starts the service, and waits until its daemon answers; why it does not. */
async function start(
  plan: ServicePlan,
  { settings, progress }: Invocation,
): Promise<string | undefined> {
  const paths = statePaths(settings);
  const { startFailure, logs } = paths;
  await Deno.remove(startFailure).catch(() => {});
  const { fault } = await runManager(plan.start);
  if (fault !== undefined) return fault;
  progress.step("waiting for the daemon to answer");
  const deadlineMs = performance.now() + DAEMON_START_TIMEOUT_MS;
  while (performance.now() < deadlineMs) {
    if (await hasDaemon(paths)) return undefined;
    const { text } = await readOwnFile(startFailure);
    if (text !== undefined) return text.trim();
    await delay(POLL_MS);
  }
  return `it has not answered within ${DAEMON_START_TIMEOUT_MS / 1000} s; its log is in ${logs}`;
}

function recordOf({ spec, plan }: Installed): InstalledService {
  const { id, command, args, socket } = spec;
  return { manager: plan.manager, id, command, args: [...args], port: socket?.port };
}

function describePlan({ files, enable, start }: ServicePlan): CommandResult {
  const commands = [...enable, start];
  return {
    text: [
      ...files.map(({ path, text }) => `${path}:\n\n${text.trimEnd()}\n`),
      ...commands.map(({ command, args }) => [command, ...args].join(" ")),
    ].join("\n"),
    json: { files: files.map(({ path, text }) => ({ path, text })), commands },
  };
}

function describe(
  { spec, plan }: Installed,
  { goesOn, refused }: { goesOn?: string; refused?: { hostname: string; port: number } },
): CommandResult {
  const { id, managerName, files } = plan;
  const begins = spec.socket
    ? `with its first client, at ${spec.socket.hostname}:${spec.socket.port} too`
    : "when you log in";
  const notes = [
    ...(refused
      ? [`systemd does not get ${refused.hostname}:${refused.port}, so it starts the daemon at login`]
      : []),
    ...(goesOn
      ? [`the daemon that runs goes on with ${goesOn}; the service takes its place after that`]
      : []),
    ...(plan.manager === "systemd"
      ? ["it ends when you log out everywhere, unless you run: loginctl enable-linger"]
      : []),
  ];
  return {
    text: [
      `The daemon is the service ${id} of ${managerName}, which starts it ${begins}.`,
      ...files.map(({ path }) => `  ${path}`),
      ...notes.map((note) => `${note[0]!.toUpperCase()}${note.slice(1)}.`),
    ].join("\n"),
    json: { id, manager: plan.manager, files: files.map(({ path }) => path), socket: spec.socket, notes },
  };
}
