import type { JsonObject } from "../base/json.ts";

/** An answer with tool calls as its model wrote it: signed thoughts that it wants back, unchanged, with the results. */
export interface SignedAnswer {
  provider: string;
  /** The model that can read it. */
  model: string;
  /** Blocks or parts of the provider's API. */
  content: readonly JsonObject[];
}

/** The part of a message that may be signed. */
interface Signable {
  signed?: SignedAnswer;
}

/** The signed content of `message`, if it is one that the model wrote; no other can read it. */
export function signedContent(
  message: Signable | undefined,
  { provider, name }: { provider: string; name: string },
): readonly JsonObject[] | undefined {
  const signed = message?.signed;
  return signed?.provider === provider && signed.model === name ? signed.content : undefined;
}
