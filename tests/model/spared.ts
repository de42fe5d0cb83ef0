/**
 * What the model spares the program because it is known to go wrong. Whoever mends one of these sets it to false, and
 * from then on every run tries it. `MODEL_STRICT=1` tries all of them.
 */
const SPARED = {
  /**
   * A server goes on with a call its window has given up, and asks or logs: on a shared process that reaches whoever
   * calls at the time.
   */
  talkAfterCancel: false,
  /**
   * Two windows subscribe to one resource at once and the request of the first does not succeed: the second is told
   * that it is subscribed, and hears nothing.
   */
  failedFirstSubscription: false,
};

export function isSpared(what: keyof typeof SPARED): boolean {
  return SPARED[what] && !Deno.env.get("MODEL_STRICT");
}
