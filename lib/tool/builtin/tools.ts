import type { Prompt } from "../dialogue/prompt.ts";
import type { Tool } from "../tool.ts";
import { analyze, ANALYZE_PROMPT } from "./analyze.ts";
import { apilookup, APILOOKUP_PROMPT } from "./apilookup.ts";
import { challenge } from "./challenge.ts";
import { chat, CHAT_PROMPT } from "./chat.ts";
import { clink } from "./clink.ts";
import { codereview, CODEREVIEW_PROMPT } from "./codereview.ts";
import { consensus, CONSENSUS_PROMPT } from "./consensus.ts";
import { activity, health } from "./daemon_reports.ts";
import { debug, DEBUG_PROMPT } from "./debug.ts";
import { docgen } from "./docgen.ts";
import { kimiChatWithTools } from "./kimi_chat_with_tools.ts";
import { kimiUploadAndExtract } from "./kimi_upload_and_extract.ts";
import { listmodels } from "./listmodels.ts";
import { planner } from "./planner.ts";
import { precommit, PRECOMMIT_PROMPT } from "./precommit.ts";
import { providerCapabilities } from "./provider_capabilities.ts";
import { refactor, REFACTOR_PROMPT } from "./refactor.ts";
import { secaudit, SECAUDIT_PROMPT } from "./secaudit.ts";
import { testgen, TESTGEN_PROMPT } from "./testgen.ts";
import { thinkdeep, THINKDEEP_PROMPT } from "./thinkdeep.ts";
import { tracer } from "./tracer.ts";
import { version } from "./version.ts";

/** EXAI's own tools, in the order of `tools/list`. */
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
  apilookup,
  clink,
  kimiChatWithTools,
  kimiUploadAndExtract,
];

/** The prompts of the tools that ask a model. */
export const BUILTIN_PROMPTS: readonly Prompt[] = [
  CHAT_PROMPT,
  THINKDEEP_PROMPT,
  ANALYZE_PROMPT,
  CODEREVIEW_PROMPT,
  PRECOMMIT_PROMPT,
  SECAUDIT_PROMPT,
  REFACTOR_PROMPT,
  TESTGEN_PROMPT,
  DEBUG_PROMPT,
  CONSENSUS_PROMPT,
  APILOOKUP_PROMPT,
];
