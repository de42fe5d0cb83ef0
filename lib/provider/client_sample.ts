import type { ChatOptions, ChatResult, ModelClass } from "./provider.ts";

/**
 * Requests a completion from the client's model (MCP client/sampling). Created per call.
 *
 * @throws {ExaiError} `UPSTREAM_UNAVAILABLE` when the client rejects the request
 */
export type Sample = (request: SampleRequest, options: ChatOptions) => Promise<ChatResult>;

/** The parts of a chat request that MCP sampling supports. */
export interface SampleRequest {
  systemPrompt?: string;
  messages: readonly SampleMessage[];
  temperature?: number;
  maxOutputTokens: number;
  /** The preferred class of model; a hint to the client. */
  modelClass: ModelClass;
  /** Part of the name of the preferred model; a hint to the client. */
  modelHint?: string;
}

export interface SampleMessage {
  role: "user" | "assistant";
  /** One block per message, as revisions before 2025-11-25 require; images as base64 with their MIME type. */
  content: { type: "text"; text: string } | { type: "image"; data: string; mimeType: string };
}
