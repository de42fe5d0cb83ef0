import type { Tool } from "../tool.ts";
import { activity } from "./activity.ts";
import { challenge } from "./challenge.ts";
import { docgen } from "./docgen.ts";
import { health } from "./health.ts";
import { listmodels } from "./listmodels.ts";
import { planner } from "./planner.ts";
import { providerCapabilities } from "./provider_capabilities.ts";
import { tracer } from "./tracer.ts";
import { version } from "./version.ts";

/** EXAI's own tools in the order they are listed. */
export const BUILTIN_TOOLS: readonly Tool[] = [
  version,
  health,
  activity,
  listmodels,
  providerCapabilities,
  challenge,
  planner,
  tracer,
  docgen,
];
