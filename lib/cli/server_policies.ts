import { noteBegin } from "../admission/begin.ts";
import type { ServerBreaker } from "../admission/breaker.ts";
import { Permits } from "../admission/permits.ts";
import { freeOnAbort, withPermits, withTimeout } from "../admission/policies.ts";
import type { Policy } from "../call/call.ts";
import type { Server } from "../call/server.ts";
import type { Settings } from "../config/settings.ts";
import { noteServer } from "../observe/record.ts";
import type { Patience } from "./patience.ts";

export interface ServerPoliciesOptions {
  settings: Pick<Settings, "callTimeoutMs" | "queueMax">;
  /** The permits of all calls. */
  permits: Permits;
  breakerOf(server: Server): ServerBreaker | undefined;
  /** The time limits of calls. */
  patience: Patience;
}

/** What stands in front of the work of a server, and of a question about it: see `RouterOptions`. */
export function serverPolicies({ settings, permits, breakerOf, patience }: ServerPoliciesOptions) {
  const timeOut = (server: Server) => withTimeout(server.callTimeoutMs ?? settings.callTimeoutMs);
  return {
    policiesFor(server: Server): Policy[] {
      const breaker = breakerOf(server);
      return [
        noteServer(server.name),
        patience.limit(server),
        ...(breaker ? [breaker.refuse] : []),
        ...(patience.onlyWaits(server) ? [] : [withPermits(permits)]),
        ...ownPermits(server, settings.queueMax),
        ...(breaker ? [breaker.guard] : []),
        freeOnAbort(),
        noteBegin(),
      ];
    },
    askingPoliciesFor: (server: Server): Policy[] => [timeOut(server), freeOnAbort()],
  };
}

/** The limit a server has of its own, whoever calls it. */
function ownPermits({ maxInflight }: Server, queueMax: number): Policy[] {
  if (maxInflight === undefined) return [];
  return [withPermits(new Permits({ perKey: maxInflight, total: maxInflight, queueMax }))];
}
