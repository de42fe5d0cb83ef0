import * as z from "zod";
import type { JsonObject } from "../../base/json.ts";
import { isObject, textOf } from "../../base/json.ts";
import { ASKS_MODELS } from "../annotations.ts";
import { askModel } from "../dialogue/ask_model.ts";
import { progressSender } from "../dialogue/call_progress.ts";
import { toHistory } from "../dialogue/history.ts";
import type { ModelReply } from "../dialogue/model_reply.ts";
import { withRoom } from "../dialogue/make_room.ts";
import { openThread } from "../dialogue/open_thread.ts";
import { toPrompt } from "../dialogue/prompt.ts";
import { PromptDocument } from "../dialogue/prompt_document.ts";
import { storeExchange } from "../dialogue/store_exchange.ts";
import { continuationField, modelFields, promptText } from "../fields.ts";
import { defineTool, type ToolContext } from "../tool.ts";
import type { ToolOutput } from "../tool_output.ts";
import document from "../prompts/apilookup.md" with { type: "text" };

const MAX_SOURCES = 20;

const input = z.object({
  prompt: promptText,
  ...continuationField,
  model: modelFields.model,
});

type LookupArgs = z.output<typeof input>;

export const APILOOKUP_PROMPT = toPrompt(new PromptDocument(document));

/** Looks up current documentation by the web search of a model. */
export const apilookup = defineTool({
  name: "apilookup",
  title: "API lookup",
  description:
    "Look up current documentation of an API, library or tool by a model that searches the web; gives sources.",
  input,
  ignores: ["temperature", "thinking_mode", "use_websearch", "files", "images", "use_assistant_model"],
  annotations: ASKS_MODELS,
  needs: "model",
  run: lookUp,
});

async function lookUp(args: LookupArgs, context: ToolContext): Promise<ToolOutput> {
  const { prompt, continuation_id } = args;
  // Says that the model must search, where askModel would advise to leave the search out.
  await context.models.resolve({
    requested: args.model,
    tool: "apilookup",
    needs: { webSearch: "required" },
    sample: context.sample,
  });
  const onProgress = progressSender(context);
  using thread = await openThread(continuation_id, context, onProgress);
  const reply = await askModel(
    {
      tool: "apilookup",
      prompt: APILOOKUP_PROMPT,
      text: `Today is ${new Date().toISOString().slice(0, 10)}.\n\n${prompt}`,
      args: { model: args.model, use_websearch: true },
      defaults: { temperature: 0.2 },
      history: toHistory(thread.turns),
      material: { named: [], lineNumbers: false },
    },
    context,
    { onProgress },
  );
  const { text, model, provider, usage, facts } = reply;
  const stored = await storeExchange({
    threadId: continuation_id,
    tool: "apilookup",
    title: prompt,
    request: { prompt },
    reply: reply.stored,
  }, context);
  return {
    content: text + sourceList(reply),
    contentType: "markdown",
    model,
    provider,
    usage,
    facts: { ...withRoom(facts, thread.room), ...sourceFacts(reply), ...stored.facts },
    continuation: stored.continuation,
  };
}

/** The pages the provider says the model has read, which the text need not name. */
function searchedPages({ facts }: ModelReply): { url: string; title?: string }[] {
  const { citations } = facts;
  const all: JsonObject[] = Array.isArray(citations) ? citations.filter(isObject) : [];
  const pages = new Map(all.flatMap(({ url, title }) => {
    const address = textOf(url);
    return address === undefined ? [] : [[address, { url: address, title: textOf(title) }] as const];
  }));
  return [...pages.values()].slice(0, MAX_SOURCES);
}

function sourceList(reply: ModelReply): string {
  const missing = searchedPages(reply).filter(({ url }) => !reply.text.includes(url));
  if (missing.length === 0) return "";
  const lines = missing.map(({ url, title }) => title === undefined ? `- ${url}` : `- ${title}: ${url}`);
  return `\n\nAlso read:\n${lines.join("\n")}`;
}

/** Where the model looked; a model that names no page may have answered from memory. */
function sourceFacts(reply: ModelReply): JsonObject {
  const pages = searchedPages(reply).map(({ url }) => url);
  const named = reply.text.match(/https?:\/\/[^\s)>\]"'`]+/g) ?? [];
  const sources = [...new Set([...pages, ...named])].slice(0, MAX_SOURCES);
  if (sources.length > 0) return { sources };
  return {
    sources,
    note: "the model names no page: it may have answered from memory, so check what matters",
  };
}
