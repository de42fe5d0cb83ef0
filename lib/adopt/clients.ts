import type { ClientProfile } from "./client_profile.ts";
import { augment } from "./clients/augment.ts";
import { amazonQ, kiro } from "./clients/aws.ts";
import { claudeCode } from "./clients/claude_code.ts";
import { claudeDesktop } from "./clients/claude_desktop.ts";
import { codex } from "./clients/codex.ts";
import { continueDev } from "./clients/continue.ts";
import { copilotCli } from "./clients/copilot_cli.ts";
import { cursor } from "./clients/cursor.ts";
import { gemini } from "./clients/gemini.ts";
import { goose } from "./clients/goose.ts";
import { jetbrains } from "./clients/jetbrains.ts";
import { opencode } from "./clients/opencode.ts";
import { vsCode } from "./clients/vs_code.ts";
import { cline, roo } from "./clients/vs_code_extensions.ts";
import { windsurf } from "./clients/windsurf.ts";
import { zed } from "./clients/zed.ts";

/** Every client that `adopt` knows, in the order it shows them. */
export const CLIENTS: readonly ClientProfile[] = [
  claudeCode,
  claudeDesktop,
  codex,
  cursor,
  vsCode,
  windsurf,
  copilotCli,
  gemini,
  opencode,
  zed,
  jetbrains,
  augment,
  cline,
  roo,
  kiro,
  amazonQ,
  goose,
  continueDev,
];
