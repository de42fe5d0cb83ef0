import { admitted, askedBy, freeOnAbort, noteBegin } from "../admission/policies.ts";
import type { Policy } from "../call/call.ts";
import type { Server } from "../call/server.ts";
import { recordServer } from "../observe/call_record.ts";
import type { Admissions } from "./admissions.ts";
import type { CallTimeouts } from "./call_timeouts.ts";

interface CallPoliciesOptions {
  /** Give every call a span, where traces are sent somewhere; count, measure and record it. */
  record: readonly Policy[];
  admissions: Admissions;
  timeouts: CallTimeouts;
  /** The server of EXAI's own tools. */
  own: Server;
}

/**
 * The policies of calls, composed once for each server. Outermost first, a call passes
 *
 * 1. `record`: it is counted, measured and recorded, however it ends, and traced if traces are sent somewhere;
 * 2. the name of its server, which its record shows, and which must be the one whose question it answers;
 * 3. its time-out: the time covers all waits that follow. A server may detach its calls instead: they are answered with
 *    a handle and keep running;
 * 4. the bound on the calls of its session, those that wait included;
 * 5. the admission of the process it runs on: a permit of the process, the circuit breaker, a permit of the session and
 *    of the daemon (`ProcessAdmission`). A mounted server has several processes and applies this one itself, once it
 *    knows which of them the call is for.
 *
 * A query (a list, `logging/setLevel`) does no work: it has only a time-out.
 */
export function callPolicies(options: CallPoliciesOptions) {
  const { record, timeouts } = options;
  return {
    policies: record,
    policiesFor: (server: Server): Policy[] => [
      recordServer(server.name),
      askedBy(server.name),
      timeouts.limit(server),
      ...admissionOf(server, options),
    ],
    queryPoliciesFor: (server: Server): Policy[] => [timeouts.queryLimit(server), freeOnAbort()],
  };
}

function admissionOf(server: Server, { admissions, timeouts, own }: CallPoliciesOptions): Policy[] {
  // Its calls wait for others, which have their own permits.
  if (timeouts.onlyWaits(server)) return [freeOnAbort(), noteBegin()];
  const bound = admissions.bound.policy;
  if (server.admitsItself) return [bound];
  return [bound, admitted(server === own ? admissions.ofOwn(server.name) : admissions.ofProcess(server))];
}
