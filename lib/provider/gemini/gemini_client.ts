import type { GoogleGenAI } from "@google/genai/web";
import { trimEndOf } from "../../base/text.ts";
import type { Exchange } from "../api/protocol.ts";

/** The version of the API that has all its features. */
const DEFAULT_VERSION = "v1beta";

/**
 * Creates a client of the `@google/genai` package that fetches through the guard. The package is loaded on first use;
 * its build for browsers has all of the Gemini API, and not the clients of Google Cloud.
 */
export async function createGeminiClient(
  { address: { baseUrl, apiKey }, guard }: Pick<Exchange, "address" | "guard">,
): Promise<GoogleGenAI> {
  const { GoogleGenAI: Client } = await import("@google/genai/web");
  const httpOptions = { ...versionOf(baseUrl), fetch: guard.fetch };
  return new Client({ apiKey: apiKey || "none", vertexai: false, httpOptions });
}

/** The package joins address and version; addresses are given with either, and as that of the OpenAI API beside it. */
function versionOf(baseUrl: string): { baseUrl: string; apiVersion: string } {
  const address = trimEndOf(baseUrl, "/").replace(/\/openai$/, "");
  const [, origin = address, apiVersion = DEFAULT_VERSION] =
    /^(.*)\/(v\d+(?:alpha|beta)?\d*)$/.exec(address) ?? [];
  return { baseUrl: origin, apiVersion };
}
