import { isObject, type JsonObject, textOf } from "../../base/json.ts";
import { mapSome } from "../../base/map_some.ts";
import { trimEndOf } from "../../base/text.ts";
import { MIB } from "../../base/units.ts";

/** The default port of Ollama (https://docs.ollama.com/faq). */
const DEFAULT_PORT = 11434;

/** Ollama runs on this machine, so a slow answer means that it is not there. */
const PROBE_TIMEOUT_MS = 1000;
const SHOW_TIMEOUT_MS = 5000;
const MAX_BYTES = 16 * MIB;
const MAX_MODELS = 1000;
const MAX_CONCURRENT_REQUESTS = 8;

/** The default window of Ollama. It silently truncates longer questions. */
const DEFAULT_WINDOW_TOKENS = 4096;

/**
 * Parses `OLLAMA_HOST`: a host, a host and port, or a URL. The unspecified address means the loopback address.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { ollamaOrigin } from "./ollama.ts";
 *
 * assertEquals(ollamaOrigin(), "http://127.0.0.1:11434");
 * assertEquals(ollamaOrigin("0.0.0.0:8080"), "http://127.0.0.1:8080");
 * assertEquals(ollamaOrigin("https://ollama.example"), "https://ollama.example:443");
 * ```
 */
export function ollamaOrigin(host = ""): string {
  const text = host.trim();
  const [, scheme = "http", rest = ""] = /^(?:(https?):\/\/)?(.*)$/s.exec(trimEndOf(text, "/")) ?? [];
  const [, name = "", port] = /^(.*?)(?::(\d+))?$/.exec(rest) ?? [];
  const address = name === "" || name === "0.0.0.0" || name === "[::]" ? "127.0.0.1" : name;
  const defaultPort = /^https?:\/\//.test(text) ? (scheme === "https" ? 443 : 80) : DEFAULT_PORT;
  return `${scheme}://${address}:${port ?? defaultPort}`;
}

/** Whether an Ollama answers at `origin`. Never throws. */
export async function findOllama(origin: string, signal: AbortSignal): Promise<boolean> {
  try {
    const answer = await get(`${origin}/api/version`, { signal, timeoutMs: PROBE_TIMEOUT_MS });
    return typeof answer.version === "string";
  } catch {
    return false;
  }
}

/**
 * Lists the models of the Ollama at `origin` as entries of `/models`, with their capabilities and context windows
 * (https://docs.ollama.com/api: tags, ps, show).
 *
 * @throws {Error} when the list of models cannot be fetched
 */
export async function listOllama(origin: string, signal: AbortSignal): Promise<JsonObject[]> {
  const [tags, running] = await Promise.all([
    get(`${origin}/api/tags`, { signal, timeoutMs: SHOW_TIMEOUT_MS }),
    get(`${origin}/api/ps`, { signal, timeoutMs: SHOW_TIMEOUT_MS }).catch(() => ({ models: [] })),
  ]);
  const loaded = new Map(objects(running.models).map((one) => [one.name, one.context_length]));
  return await mapSome(
    MAX_CONCURRENT_REQUESTS,
    objects(tags.models).slice(0, MAX_MODELS),
    async ({ name }) => {
      const shown = await show(origin, textOf(name) ?? "", signal);
      const window = loaded.get(name) ?? configuredWindow(shown.parameters) ?? DEFAULT_WINDOW_TOKENS;
      return { id: name, capabilities: shown.capabilities, context_length: window };
    },
  );
}

/** Fetches the description of one model; empty when that fails. */
async function show(origin: string, model: string, signal: AbortSignal): Promise<JsonObject> {
  const init = { method: "POST", body: JSON.stringify({ model }) };
  return await get(`${origin}/api/show`, { signal, timeoutMs: SHOW_TIMEOUT_MS, init }).catch(() => ({}));
}

/** The window that the Modelfile sets. */
function configuredWindow(parameters: unknown): number | undefined {
  const [, tokens] = /^num_ctx\s+(\d+)$/m.exec(typeof parameters === "string" ? parameters : "") ?? [];
  return tokens === undefined ? undefined : Number(tokens);
}

function objects(value: unknown): JsonObject[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}

async function get(
  url: string,
  { signal, timeoutMs, init }: { signal: AbortSignal; timeoutMs: number; init?: RequestInit },
): Promise<JsonObject> {
  const timeout = new AbortController();
  const timer = setTimeout(() => timeout.abort(), timeoutMs);
  try {
    const response = await fetch(url, {
      ...init,
      signal: AbortSignal.any([signal, timeout.signal]),
      redirect: "error",
    });
    const text = await readAtMost(response, MAX_BYTES);
    const value: unknown = response.ok ? JSON.parse(text) : undefined;
    if (!isObject(value)) throw new Error(`${url} answered ${response.status} with no JSON object`);
    return value;
  } finally {
    clearTimeout(timer);
  }
}

async function readAtMost(response: Response, maxBytes: number): Promise<string> {
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.byteLength;
    if (bytes > maxBytes) throw new Error("the answer is too long");
    chunks.push(chunk);
  }
  return await new Blob(chunks).text();
}
