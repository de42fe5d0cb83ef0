import { hasDaemon } from "../../client/address.ts";
import { parseObject } from "../../client/frames.ts";
import { type InstalledService, readInstalledService, runManager } from "../../client/installed_service.ts";
import { readOwnFile } from "../../client/own_files.ts";
import { isThere } from "../../config/path_kind.ts";
import { statePaths } from "../../config/paths.ts";
import type { CommandResult, Invocation } from "../command.ts";
import { EXIT } from "../exit_codes.ts";
import type { ServicePlan, ServiceState } from "./plan.ts";
import { servicePlan, serviceSpec } from "./service_spec.ts";

/** Shows how the service stands; exit code 1 when there is none, or it is broken. */
export async function status(invocation: Invocation): Promise<CommandResult> {
  const paths = statePaths(invocation.settings);
  const installed = await readInstalledService(paths);
  const plan = knownPlan(installed, invocation);
  const { text, fault } = await runManager(plan.query);
  const state = installed && fault === undefined ? plan.readState(text) : undefined;
  const daemon = await runningDaemon(invocation);
  const faults = await faultsOf({ installed, plan, state, startFailure: paths.startFailure });
  const isGood = installed !== undefined && faults.length === 0;
  return {
    text: [
      installed
        ? `The daemon is the service ${plan.id} of ${plan.managerName}: ${state?.state ?? "not known to it"}.`
        : "The daemon is not installed as a service: the first window starts it.",
      daemon
        ? `A daemon runs (version ${daemon.version}, process ${daemon.pid})${byWhom(daemon.pid, state)}.`
        : "No daemon runs.",
      ...faults,
    ].join("\n"),
    code: isGood ? EXIT.done : EXIT.no,
    json: {
      installed: installed !== undefined,
      id: plan.id,
      manager: plan.manager,
      files: plan.files.map(({ path }) => path),
      state: state?.state,
      enabled: state?.isEnabled,
      pid: state?.pid,
      daemon,
      faults,
    },
  };
}

/** The plan of the service that is installed, or of the one that would be. */
export function knownPlan(installed: InstalledService | undefined, invocation: Invocation): ServicePlan {
  const { home } = statePaths(invocation.settings);
  const spec = serviceSpec(invocation);
  if (!installed) return servicePlan(spec, { home });
  const { id, command, args, port } = installed;
  const socket = port === undefined ? undefined : { hostname: spec.socket?.hostname ?? "127.0.0.1", port };
  return servicePlan({ ...spec, id, command, args, socket }, { home });
}

function byWhom(pid: unknown, state: ServiceState | undefined): string {
  if (state?.pid === undefined) return "";
  return state.pid === pid ? ", which the service has started" : ", which the service has not started";
}

/** What keeps the service from its work, each in a sentence with what to do. */
async function faultsOf(
  { installed, plan, state, startFailure }: {
    installed: InstalledService | undefined;
    plan: ServicePlan;
    state: ServiceState | undefined;
    startFailure: string;
  },
): Promise<string[]> {
  if (!installed) return [];
  const again = "run exai-daemon service install again";
  return [
    ...(await isThere(installed.command)
      ? []
      : [`The program it runs is gone: ${installed.command}; ${again} with the one to use.`]),
    ...(state ? [] : [`${plan.managerName} does not know ${plan.id}; ${again}.`]),
    ...(state?.isEnabled === false ? [`${plan.id} is not enabled, so nothing starts it; ${again}.`] : []),
    ...(state?.state === "failed" ? [`Its daemon has failed${await whyFailed(startFailure)}`] : []),
  ];
}

async function runningDaemon({ settings }: Invocation) {
  const paths = statePaths(settings);
  // By what it has written: to connect may start the service.
  if (!await hasDaemon(paths)) return undefined;
  const { text } = await readOwnFile(paths.endpoint);
  const { pid, version } = (text === undefined ? undefined : parseObject(text)) ?? {};
  return { pid, version };
}

/** What the daemon has written that could not start. */
async function whyFailed(path: string): Promise<string> {
  const { text } = await readOwnFile(path);
  return text === undefined ? "; exai-daemon in a terminal shows why." : `: ${text.trim()}`;
}
