import * as z from "zod";
import { ExaiError } from "../base/errors.ts";
import type { Json, JsonObject } from "../base/json.ts";
import { MAX_FILE_BYTES } from "../workspace/workspace.ts";
import { argumentError } from "./argument_errors.ts";
import { askModel } from "./dialogue/ask_model.ts";
import { progressSender } from "./dialogue/call_progress.ts";
import { modelFields, promptText } from "./fields.ts";
import { readText } from "./material/collect.ts";
import type { ToolContext } from "./tool.ts";

const question = z.strictObject({
  prompt: promptText,
  role: z.string().min(1).max(4000).optional(),
  files: z.array(z.string().min(1)).optional(),
  ...modelFields,
});

const file = z.strictObject({ path: z.string().min(1) });

type Service = (params: JsonObject, call: { tool: string; context: ToolContext }) => Promise<Json>;

/** The methods of the context of a user's tool, by name. */
const SERVICES: Readonly<Record<string, Service>> = {
  async readFile(params, { context: { workspace } }) {
    const { path } = parse(file, params, "context.readFile");
    const entry = await workspace.find(path);
    if (entry.kind !== "file") {
      throw new ExaiError("INVALID_PARAMS", `${entry.shownAs} is a directory; name a file in it`);
    }
    return readText(await workspace.read(entry, { maxBytes: MAX_FILE_BYTES }), entry.shownAs).text;
  },
  async ask(params, { tool, context }) {
    const { prompt: text, role, files = [], ...args } = parse(question, params, "context.ask");
    const prompt = {
      name: tool,
      version: 1,
      role: role ?? "You are a senior engineer whom a program consults.",
      method: ["Answer what was asked, from what you are shown."],
      output: "What the question asks for, and nothing else.",
    };
    const reply = await askModel(
      { tool: "chat", prompt, text, args, defaults: {}, material: { named: files, lineNumbers: false } },
      context,
      { onProgress: progressSender(context) },
    );
    const { text: answer, model, provider, usage } = reply;
    return { text: answer, model, provider, usage };
  },
};

/**
 * Runs a context method for a user's tool, with the session's directories and models.
 *
 * @throws {ExaiError} `INVALID_PARAMS` for an unknown method or invalid arguments; what the method throws
 */
export async function serveUserTool(
  method: string,
  params: JsonObject,
  call: { tool: string; context: ToolContext },
): Promise<Json> {
  const service = Object.hasOwn(SERVICES, method) ? SERVICES[method] : undefined;
  if (service === undefined) {
    throw new ExaiError("INVALID_PARAMS", `the context of a tool has no ${JSON.stringify(method)}`);
  }
  return await service(params, call);
}

function parse<Shape extends z.ZodObject>(schema: Shape, params: JsonObject, name: string): z.output<Shape> {
  const parsed = schema.safeParse(params);
  if (!parsed.success) {
    throw argumentError(name, parsed.error.issues, { args: params, fields: Object.keys(schema.shape) });
  }
  return parsed.data;
}
