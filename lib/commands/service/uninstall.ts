import { readInstalledService } from "../../client/installed_service.ts";
import { statePaths } from "../../config/paths.ts";
import type { CommandResult, Invocation } from "../command.ts";
import { removeService } from "./service_files.ts";
import { knownPlan } from "./service_status.ts";
import { endRunningDaemon } from "./take_place.ts";

/** Takes the service away, whatever of it is there. The daemon is started by windows again. */
export async function uninstall(invocation: Invocation): Promise<CommandResult> {
  const paths = statePaths(invocation.settings);
  const installed = await readInstalledService(paths);
  // Its manager would cut off its calls.
  if (installed) await endRunningDaemon(invocation);
  const plan = knownPlan(installed, invocation);
  const removed = await removeService(plan);
  await Deno.remove(paths.service).catch(() => {});
  const wasThere = installed !== undefined || removed.length > 0;
  return {
    text: wasThere
      ? `The service ${plan.id} is gone. The first window starts the daemon from now on.`
      : "The daemon is not installed as a service.",
    json: { id: plan.id, was_installed: wasThere, removed },
  };
}
