import { SECOND_MS } from "../base/units.ts";
import type { Progress } from "../call/call.ts";
import type { Result } from "../wire/rpc.ts";
import { AWAIT_CALL, type DetachedCall } from "./detached_calls.ts";

/**
 * The result of a call that goes on: what to do to get its own. The structured content has the fields that EXAI's own
 * tools promise.
 *
 * @param isRepeatable whether the same call made again gets the result too
 */
export function handleResult(
  { tool, handle, startedAtMs, progress }: DetachedCall,
  { isRepeatable }: { isRepeatable: boolean },
): Result {
  const text =
    `${tool} is still running after ${secondsSince(startedAtMs)} and goes on. ${progressText(progress)}` +
    `Its handle is ${handle}. ` +
    `Call ${AWAIT_CALL} with {"handle": "${handle}"} to wait for its result, again if need be; ` +
    `with "cancel": true to stop it.` +
    (isRepeatable ? " The same call made again waits for it too, and costs nothing more." : "");
  return {
    result: {
      content: [{ type: "text", text }],
      structuredContent: {
        status: "running",
        content: text,
        content_type: "text",
        metadata: { tool, handle },
        continuation_offer: null,
      },
      _meta: { "exai/detached": { handle, tool } },
    },
  };
}

/** The time since `startedAtMs`, as `46.2 s`. */
export function secondsSince(startedAtMs: number): string {
  return `${((Date.now() - startedAtMs) / SECOND_MS).toFixed(1)} s`;
}

/** The progress of a call as a sentence, followed by a space. */
export function progressText(progress: Progress | undefined): string {
  if (!progress) return "";
  const { progress: step, total, message } = progress;
  const said = message ? `: ${message}` : "";
  return `Its progress is ${step}${total === undefined ? "" : ` of ${total}`}${said}. `;
}
