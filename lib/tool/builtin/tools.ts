import type { Tool } from "../tool.ts";
import { activity } from "./activity.ts";
import { analyze } from "./analyze.ts";
import { challenge } from "./challenge.ts";
import { chat } from "./chat.ts";
import { codereview } from "./codereview.ts";
import { consensus } from "./consensus.ts";
import { debug } from "./debug.ts";
import { docgen } from "./docgen.ts";
import { health } from "./health.ts";
import { kimiChatWithTools } from "./kimi_chat_with_tools.ts";
import { kimiUploadAndExtract } from "./kimi_upload_and_extract.ts";
import { listmodels } from "./listmodels.ts";
import { planner } from "./planner.ts";
import { precommit } from "./precommit.ts";
import { providerCapabilities } from "./provider_capabilities.ts";
import { refactor } from "./refactor.ts";
import { secaudit } from "./secaudit.ts";
import { testgen } from "./testgen.ts";
import { thinkdeep } from "./thinkdeep.ts";
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
  chat,
  thinkdeep,
  analyze,
  codereview,
  precommit,
  secaudit,
  refactor,
  testgen,
  debug,
  consensus,
  kimiChatWithTools,
  kimiUploadAndExtract,
];
