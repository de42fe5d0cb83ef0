import { ExaiError } from "../base/errors.ts";
import { isObject, textOf } from "../base/json.ts";
import type { Caller, InputAnswers, Target } from "../call/call.ts";
import type { CallContextOfTry, RequestPlace, RoundTrips, StartedCall } from "../round_trips/round_trips.ts";
import { toRpcError } from "../wire/codes.ts";
import { type ClientClaim, readClaim, withoutClaim } from "../wire/client_claim.ts";
import { discoverResult, toModernResult } from "../wire/modern_results.ts";
import { isIdempotent } from "../wire/idempotency.ts";
import type { Implementation, InitializeResult } from "../wire/mcp.ts";
import { progressTokenOf, withTokenText } from "../wire/mcp.ts";
import type { RawRequest } from "../wire/raw_message.ts";
import { type Params, RawObject } from "../wire/raw_object.ts";
import type { Result } from "../wire/rpc.ts";
import type { Session } from "./session.ts";
import type { ModernTenant } from "./modern_tenant.ts";
import type { ModernTenants } from "./modern_tenants.ts";

interface ModernPeerOptions {
  target: Target;
  roundTrips: RoundTrips;
  serverInfo: Implementation;
}

const NO_PARAMS = {};

/** Answers the requests of the modern era of one session, over any transport. */
export class ModernPeer {
  readonly #session: Session;
  readonly #tenants: ModernTenants;
  readonly #options: ModernPeerOptions;
  #nextId = 1;

  constructor(session: Session, tenants: ModernTenants, options: ModernPeerOptions) {
    this.#session = session;
    this.#tenants = tenants;
    this.#options = options;
  }

  /**
   * The answer to a request that `isModern`. Never rejects.
   *
   * @param signal aborted when the client has withdrawn the request
   */
  async answer(request: RawRequest, place: RequestPlace, signal: AbortSignal): Promise<Result> {
    try {
      const claim = readClaim(request.body!);
      const tenant = this.#tenants.of(claim);
      const result = await this.#run(request, { claim, tenant, place, signal });
      return toModernResult(result, { method: request.method, serverInfo: this.#options.serverInfo });
    } catch (thrown) {
      return { error: toRpcError(thrown) };
    }
  }

  /**
   * Whom a request that `isModern` belongs to.
   *
   * @throws {ExaiError} as `readClaim`
   */
  tenantOf(request: RawRequest): Caller {
    return this.#tenants.of(readClaim(request.body!));
  }

  async #run(
    request: RawRequest,
    about: { claim: ClientClaim; tenant: ModernTenant; place: RequestPlace; signal: AbortSignal },
  ): Promise<Result> {
    const { method } = request;
    if (method === "server/discover") {
      const { result, error } = await this.#call({ ...about, method: "initialize", params: NO_PARAMS });
      return error ? { error } : { result: discoverResult(result as InitializeResult) };
    }
    const body = withoutClaim(request.body!);
    const { params, answers } = takeAnswers(body);
    return await this.#options.roundTrips.run({
      caller: about.tenant,
      method,
      params,
      answers,
      place: about.place,
      signal: about.signal,
      start: (context) => this.#start({ ...about, ...context, method, params }),
    });
  }

  async #call(about: {
    claim: ClientClaim;
    tenant: ModernTenant;
    place: RequestPlace;
    signal: AbortSignal;
    method: string;
    params: Params;
  }): Promise<Result> {
    const noQuestions = () =>
      Promise.reject(new ExaiError("METHOD_NOT_FOUND", "this client cannot be asked"));
    const context = { notify: about.place.notify, answers: undefined, ask: noQuestions };
    return await this.#start({ ...about, ...context }).result;
  }

  #start(
    { claim, tenant, method, params, notify, markBegun, ask, answers }:
      & CallContextOfTry
      & { claim: ClientClaim; tenant: ModernTenant; method: string; params: Params },
  ): StartedCall {
    const id = this.#nextId++;
    const token = params instanceof RawObject ? progressTokenOf(params) : undefined;
    const result = this.#session.calls.run(
      {
        id,
        space: "modern",
        method,
        params,
        progressToken: token?.value,
        logLevel: claim.logLevel,
        answers,
        begin: isIdempotent(method) ? undefined : markBegun,
        notify: (method, params) => {
          const isProgress = method === "notifications/progress" && token !== undefined;
          notify(method, isProgress ? withTokenText(params, token.text) : params);
        },
        ask,
      },
      tenant,
      this.#options.target,
    );
    return { result, cancel: (reason) => void this.#session.calls.cancel(id, reason, "modern") };
  }
}

/** The part of a repeated request that its server asked for, apart from the rest. */
function takeAnswers(body: RawObject): { params: RawObject; answers: InputAnswers | undefined } {
  if (!body.has("inputResponses") && !body.has("requestState")) return { params: body, answers: undefined };
  const inputResponses = body.objectAt("inputResponses")?.exact;
  const requestState = textOf(body.get("requestState"));
  if (body.has("inputResponses") && !isObject(inputResponses)) {
    throw new ExaiError("INVALID_PARAMS", "inputResponses must be an object");
  }
  if (body.has("requestState") && requestState === undefined) {
    throw new ExaiError("INVALID_PARAMS", "requestState must be a text");
  }
  const params = body.without("inputResponses").without("requestState");
  return { params, answers: { inputResponses, requestState } };
}
