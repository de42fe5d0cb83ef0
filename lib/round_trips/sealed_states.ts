import type { JsonObject } from "../base/json.ts";
import { sortedJson } from "../base/sorted_json.ts";
import { MINUTE_MS } from "../base/units.ts";
import type { Caller } from "../call/call.ts";
import { mayUse, ownerKey } from "../call/owner.ts";
import { base64url } from "../wire/proof.ts";
import { type Params, valueOf } from "../wire/raw_object.ts";
import { refused } from "./state_errors.ts";
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
  /** A call that waits, asked for the `round`th time; `mayRepeat`: it has not begun to do what must not be done twice. */
  | { kind: "parked"; id: string; round: number; mayRepeat: boolean }
  /** The state of a server of the modern era; undefined: it gave none. */
  | { kind: "relay"; id: string; server: string | undefined; state: string | undefined }
  /** A call that did not begin, since its client has to do first what `questions` ask. */
  | { kind: "again"; id: string; questions: JsonObject };

/** A state that was sent, with what it was sealed with. */
export interface OpenedState {
  readonly content: StateContent;
  /** Equal for the same state. */
  readonly key: string;
  /** Whose it is: equal for the states of one client. */
  readonly client: string;
  /** The daemon that gave it. */
  readonly daemon: string;
  readonly expiresAtMs: number;
}

/** The states that clients are given, bound to one client, its request and a time (MCP basic/patterns/mrtr, server requirements). */
export class SealedStates {
  readonly #seal: StateSeal;
  readonly #daemon: string;

  /** @param daemon names the daemon that gives them */
  constructor(seal: StateSeal, daemon: string) {
    this.#seal = seal;
    this.#daemon = daemon;
  }

  /** `content` as a `requestState` for the client of `request`. */
  async close(content: StateContent, request: AskedRequest): Promise<string> {
    const [owner, digest] = await Promise.all([request.caller.privateOwner(), digestOf(request)]);
    return await this.#seal.close({
      ...content,
      daemon: this.#daemon,
      owner: ownerKey(owner),
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
  async open(state: string, request: AskedRequest): Promise<OpenedState> {
    const payload = await this.#seal.open(state);
    if (!payload || typeof payload.kind !== "string") {
      throw refused("was not given by this server, or was changed");
    }
    const { daemon, owner, digest, expiresAtMs, ...rest } = payload;
    if (Number(expiresAtMs) <= Date.now()) {
      throw refused(`has expired: a question can be answered for ${STATE_TTL_MS / MINUTE_MS} minutes`);
    }
    const [own, ownDigest] = await Promise.all([request.caller.privateOwner(), digestOf(request)]);
    const client = String(owner);
    if (!mayUse({ principal: own.principal, workspaces: [own.workspace] }, client)) {
      throw refused("was given to another window: of another user, connection, directory or X-Exai-Window");
    }
    if (digest !== ownDigest) {
      throw refused(
        "is of another request: the method, the name and the arguments must be those it was given for",
      );
    }
    const content = rest as unknown as StateContent;
    const key = content.kind === "parked" ? `${content.id} ${content.round}` : content.id;
    return { content, key, client, daemon: String(daemon), expiresAtMs: Number(expiresAtMs) };
  }
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
