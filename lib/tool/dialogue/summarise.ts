import { ExaiError, messageOf } from "../../base/errors.ts";
import { getLogger } from "@logtape/logtape";
import type { Usage } from "../../provider/provider.ts";
import type { Cost } from "../../provider/provider_status.ts";
import text from "../prompts/summary.md" with { type: "text" };
import type { ToolContext } from "../tool.ts";
import { toSendable } from "./messages.ts";
import { PromptDocument } from "./prompt_document.ts";

const log = getLogger(["exai", "tool"]);

const INSTRUCTIONS = new PromptDocument(text).text("Instructions");

const MAX_OUTPUT_TOKENS = 2000;

/** The share of the summarising model's window that the conversation may take. */
const INPUT_SHARE = 0.6;

/** Fewer than a model counts for most texts, so that what is clipped by it fits. */
const CHARS_PER_TOKEN = 3;

/** A summary, and what it took. */
export interface Summary {
  text: string;
  by: string;
  usage: Usage;
  /** Undefined if its price is not known. */
  cost?: Cost;
}

/**
 * Summarises a conversation by a fast model of `provider`, which knows the conversation already. Undefined where it has
 * none, or none that answers: a summary is to cost less than what it replaces.
 *
 * @throws {ExaiError} the reason of the call's signal
 */
export async function summarise(
  conversation: string,
  { models, signal, deadlineMs }: Pick<ToolContext, "models" | "signal" | "deadlineMs">,
  provider: string,
): Promise<Summary | undefined> {
  try {
    const route = await models.resolve({ requested: "auto", tool: "summary", class: "fast", provider });
    if (route.model.class !== "fast") return undefined;
    const maxChars = Math.floor(route.model.contextTokens * INPUT_SHARE) * CHARS_PER_TOKEN;
    const result = await models.chat({ ...route, fallbacks: [] }, {
      messages: [
        { role: "system", content: INSTRUCTIONS },
        { role: "user", content: toSendable(conversation.slice(-maxChars)) },
      ],
      temperature: 0.2,
      maxOutputTokens: MAX_OUTPUT_TOKENS,
    }, { signal, deadlineMs });
    const summary = result.text.trim();
    const { usage, cost, routing } = result;
    return summary === "" ? undefined : { text: summary, by: routing.chosen, usage, cost };
  } catch (thrown) {
    if (signal.aborted) throw ExaiError.from(thrown);
    log.warning("no summary of a conversation: {reason}", { reason: messageOf(thrown) });
    return undefined;
  }
}
