import { ANALYZE } from "./analyze.ts";
import { CHAT } from "./chat.ts";
import { CODEREVIEW } from "./codereview.ts";
import { CONSENSUS } from "./consensus.ts";
import { DEBUG } from "./debug.ts";
import { PRECOMMIT } from "./precommit.ts";
import type { Prompt } from "./prompt.ts";
import { REFACTOR } from "./refactor.ts";
import { SECAUDIT } from "./secaudit.ts";
import { TESTGEN } from "./testgen.ts";
import { THINKDEEP } from "./thinkdeep.ts";

/** Every prompt a tool of EXAI gives a model. */
export const PROMPTS: readonly Prompt[] = [
  CHAT,
  THINKDEEP,
  ANALYZE,
  CODEREVIEW,
  PRECOMMIT,
  SECAUDIT,
  REFACTOR,
  TESTGEN,
  DEBUG,
  CONSENSUS,
];
