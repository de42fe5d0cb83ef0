import * as z from "zod";
import { ASKS_MODELS } from "../annotations.ts";
import { askModel } from "../dialogue/ask_model.ts";
import { progressSender } from "../dialogue/call_progress.ts";
import { toHistory } from "../dialogue/history.ts";
import { withRoom } from "../dialogue/make_room.ts";
import { openThread } from "../dialogue/open_thread.ts";
import { toPrompt } from "../dialogue/prompt.ts";
import { PromptDocument } from "../dialogue/prompt_document.ts";
import { storeExchange } from "../dialogue/store_exchange.ts";
import { continuationField, modelFields, promptText } from "../fields.ts";
import { defineTool, type ToolContext } from "../tool.ts";
import type { ToolOutput } from "../tool_output.ts";
import text from "../prompts/chat.md" with { type: "text" };

const input = z.object({
  prompt: promptText.describe("the question, with what is needed to understand it"),
  files: z.array(z.string().min(1)).optional().describe("files or directories to show"),
  ...continuationField,
  ...modelFields,
});

type ChatArgs = z.output<typeof input>;

export const CHAT_PROMPT = toPrompt(new PromptDocument(text));

/** Asks a model a question with files and images, in a thread that can be continued. */
export const chat = defineTool({
  name: "chat",
  title: "Chat",
  description:
    "Ask another model: questions, second opinions, brainstorming, explanations. Give files rather than their text.",
  input,
  ignores: ["use_assistant_model", "stream"],
  annotations: ASKS_MODELS,
  needs: "model",
  run: converse,
});

async function converse(args: ChatArgs, context: ToolContext): Promise<ToolOutput> {
  const { prompt, files = [], continuation_id } = args;
  const onProgress = progressSender(context);
  using thread = await openThread(continuation_id, context, onProgress);
  const reply = await askModel(
    {
      tool: "chat",
      prompt: CHAT_PROMPT,
      text: prompt,
      args,
      defaults: { temperature: 0.5 },
      history: toHistory(thread.turns),
      material: { named: files, lineNumbers: true },
    },
    context,
    { onProgress },
  );
  const { text, model, provider, usage, facts } = reply;
  const stored = await storeExchange({
    threadId: continuation_id,
    tool: "chat",
    title: prompt,
    request: { prompt, ...(files.length > 0 ? { files } : {}) },
    reply: reply.stored,
  }, context);
  return {
    content: text,
    contentType: "markdown",
    model,
    provider,
    usage,
    facts: { ...withRoom(facts, thread.room), ...stored.facts },
    continuation: stored.continuation,
  };
}
