import type { ServerAuthorization } from "../remote/authorization.ts";

/** A program's headers are the same for all requests. */
const ANY = { method: "GET", url: new URL("about:blank") };

/** Both what a program prints and what an account gives; where both give a header, the program's counts. */
export function joinedAuthorization(
  helper: ServerAuthorization,
  account: ServerAuthorization,
): ServerAuthorization {
  return {
    headersFor: async (request) => ({
      ...await account.headersFor(request),
      ...await helper.headersFor(request),
    }),
    async refused(refusal, signal) {
      if (await helper.refused(refusal, signal)) return true;
      const isHelpers = "authorization" in await helper.headersFor(ANY);
      return !isHelpers && await account.refused(refusal, signal);
    },
  };
}
