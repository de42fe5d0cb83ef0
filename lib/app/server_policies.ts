import { noteBegin } from "../admission/begin.ts";
import { admitted, freeOnAbort, withTimeout } from "../admission/policies.ts";
import type { Policy } from "../call/call.ts";
import type { Server } from "../call/server.ts";
import type { Settings } from "../config/settings.ts";
import { recordServer } from "../observe/call_record.ts";
import type { Admissions } from "./admissions.ts";
import type { CallTimeouts } from "./call_timeouts.ts";

interface ServerPoliciesOptions {
  settings: Pick<Settings, "callTimeoutMs">;
  admissions: Admissions;
  /** The time limits of calls. */
  patience: CallTimeouts;
  /** The server of the daemon's own tools. */
  own: Server;
}

/**
 * What stands in front of the work of a server, and of a question about it: see `RouterOptions`. A mounted server is
 * several processes, and admits calls itself once it knows which of them a call is led to.
 */
export function serverPolicies({ settings, admissions, patience, own }: ServerPoliciesOptions) {
  const timeOut = (server: Server) => withTimeout(server.callTimeoutMs ?? settings.callTimeoutMs);
  const admit = (server: Server): Policy[] => {
    if (patience.onlyWaits(server)) return [freeOnAbort(), noteBegin()];
    if (server.admitsItself) return [admissions.bound.policy];
    const admission = server === own ? admissions.ofOwn(server.name) : admissions.ofProcess(server);
    return [admissions.bound.policy, admitted(admission)];
  };
  return {
    policiesFor: (server: Server): Policy[] => [
      recordServer(server.name),
      patience.limit(server),
      ...admit(server),
    ],
    askingPoliciesFor: (server: Server): Policy[] => [timeOut(server), freeOnAbort()],
  };
}
