import { ExaiError } from "../base/errors.ts";
import type { JsonObject } from "../base/json.ts";
import { sortedJson } from "../base/sorted_json.ts";
import { MINUTE_MS } from "../base/units.ts";
import type { Caller } from "../call/call.ts";
import { endsWithSession, type Identity, mayUse, ownerKey, ownerOf } from "../call/owner.ts";
import { base64url } from "../wire/proof.ts";
import { type Params, valueOf } from "../wire/raw_object.ts";
import type { StateSeal } from "./state_seal.ts";

/** How long a client may take to answer: a state is refused after it. */
export const STATE_TTL_MS = 10 * MINUTE_MS;

/** The part of a request that its repetition must have too. */
interface AskedRequest {
  readonly caller: Caller;
  readonly method: string;
  readonly params: Params;
}

/** What a state stands for. */
export type StateContent =
  /** A call of the daemon `daemon` that waits, asked for the `round`th time. */
  | { kind: "parked"; id: string; round: number; daemon: string; mayRepeat: boolean }
  /** The state of a server of the modern era. */
  | { kind: "relay"; id: string; server: string | undefined; state: string }
  /** A call that did not begin, since its client has to do first what `questions` ask. */
  | { kind: "again"; id: string; questions: JsonObject };

/** The states that clients are given, bound to their owner, their request and a time (MCP basic/patterns/mrtr). */
export class SealedStates {
  readonly #seal: StateSeal;

  constructor(seal: StateSeal) {
    this.#seal = seal;
  }

  /** `content` as a `requestState` for the client of `request`. */
  async close(content: StateContent, request: AskedRequest): Promise<string> {
    const [identity, digest] = await Promise.all([holderOf(request.caller), digestOf(request)]);
    return await this.#seal.close({
      ...content,
      owner: ownerKey(ownerOf(identity)),
      digest,
      expiresAtMs: Date.now() + STATE_TTL_MS,
    });
  }

  /**
   * What `state`, sent with `request`, stands for.
   *
   * @throws {ExaiError} `INVALID_PARAMS` when it was changed, has expired, or was given to another client or for another
   * request
   */
  async open(state: string, request: AskedRequest): Promise<StateContent> {
    const payload = await this.#seal.open(state);
    if (!payload || typeof payload.kind !== "string") {
      throw refused("is not one that this server has given, or it was changed");
    }
    if (Number(payload.expiresAtMs) <= Date.now()) {
      throw refused(`has expired: an answer may take ${STATE_TTL_MS / MINUTE_MS} minutes`);
    }
    const [identity, digest] = await Promise.all([holderOf(request.caller), digestOf(request)]);
    if (!mayUse(identity, String(payload.owner))) throw refused("was given to another client");
    if (payload.digest !== digest) {
      throw refused(
        "belongs to another request: the method, the name and the arguments must be those of before",
      );
    }
    return payload as unknown as StateContent;
  }
}

/** The error for a state that is not taken, which says what a client can do. */
export function refused(why: string): ExaiError {
  return new ExaiError(
    "INVALID_PARAMS",
    `this requestState ${why}; to begin anew, send the request without requestState and inputResponses`,
  );
}

/** Who may present a state: where nothing else tells one client of a principal from another, all of them may. */
async function holderOf(caller: Caller): Promise<Identity> {
  const identity = await caller.identity();
  return endsWithSession(ownerOf(identity)) ? { ...identity, workspaces: ["none"] } : identity;
}

/** What identifies a request, whatever its `_meta` says. */
function digestOf({ caller, method, params }: AskedRequest): Promise<string> {
  const { _meta, ...rest } = valueOf(params);
  return digestOfJson([method, caller.server ?? null, rest]);
}

/** A digest that is equal for values that say the same. */
export async function digestOfJson(value: Parameters<typeof sortedJson>[0]): Promise<string> {
  const text = JSON.stringify(sortedJson(value));
  return base64url(new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text))));
}
