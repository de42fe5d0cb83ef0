import { untilAborted } from "../../base/abort.ts";
import { ExaiError } from "../../base/errors.ts";
import { type Call, reportProgress } from "../../call/call.ts";
import { checkAnswerable } from "../../call/client_capabilities.ts";
import { waitingFor } from "../../call/wait.ts";
import { exactResult } from "../../wire/raw_message.ts";
import type { PendingLogin } from "../../auth/pending_login.ts";

const METHOD = "elicitation/create";

/** What has become of a question to the person at the client. */
type AskedToSignIn =
  | "signed in"
  /** The person does not want to, by what the client says. */
  | "declined"
  /** Its client cannot ask this, or did not, or the person made no choice. */
  | "not asked";

/**
 * Has the client of `call` ask its person to open the page of `login`, and waits until somebody has signed in, in
 * whatever window (MCP client/elicitation, URL mode).
 *
 * @throws {ExaiError} why nobody is signed in; the call's reason
 */
export async function askToSignIn(
  call: Call,
  login: PendingLogin,
  message: string,
): Promise<AskedToSignIn> {
  // Clients of the modern era tell elicitations apart otherwise, and are not shown it.
  const elicitationId = crypto.randomUUID();
  const params = { mode: "url", message, url: login.prompt.url, elicitationId };
  if (!canBeAsked(call, params)) return "not asked";
  reportProgress(call, { progress: 0, message });
  const finished = new AbortController();
  const signal = AbortSignal.any([call.signal, finished.signal]);
  const answer = call.ask(METHOD, params, { signal }).then(
    (result) => result.error ? "not asked" as const : answerIn(exactResult(result).action),
    (thrown) => signal.aborted ? Promise.reject(thrown) : "not asked" as const,
  );
  const done = login.done.then(() => "signed in" as const);
  try {
    const first = await untilAborted(Promise.race([done, answer]), call.signal);
    if (first === "declined" || first === "not asked") return first;
    await waitingFor(call, "the person to sign in", untilAborted(done, call.signal));
    call.notify("notifications/elicitation/complete", { elicitationId });
    return "signed in";
  } finally {
    answer.catch(() => {});
    done.catch(() => {});
    finished.abort(new ExaiError("CANCELLED", "it is settled whether somebody signs in"));
  }
}

function canBeAsked({ caller, early }: Call, params: { mode: string }): boolean {
  if (early?.isGiven) return false;
  try {
    checkAnswerable(METHOD, params, caller.capabilities);
    return true;
  } catch {
    return false;
  }
}

/** A client without a person before it cancels by itself: no choice was made (client/elicitation, response actions). */
function answerIn(action: unknown): "accepted" | "declined" | "not asked" {
  if (action === "accept") return "accepted";
  return action === "decline" ? "declined" : "not asked";
}
