import { ExaiError } from "../base/errors.ts";
import type { PeerUsers } from "../transport/peer_user.ts";
import type { RequestContext } from "./request_context.ts";

/** On whose behalf a connection is made. */
export interface Principal {
  /** Equal for the connections of one; never shown to anybody. */
  id: string;
  /** Whether it is the daemon's own user, or has a secret of his: then it may read the files he works on. */
  isOwner: boolean;
}

/** Whose loopback connections are taken while no token is asked. */
export type PeerPolicy = "own" | "any";

export interface PrincipalOptions {
  /** Tells whose a loopback connection is. */
  users: Pick<PeerUsers, "ofPeer">;
  policy: PeerPolicy;
  /** Whether a token is asked of everybody: then nobody's user is. */
  requiresToken(): boolean;
}

/** The daemon's own user, and whoever shows a token of his. */
const OWNER = "owner";

/** Tells on whose behalf each connection is made, and refuses other users of the machine while there is no token. */
export class PrincipalResolver {
  readonly #options: PrincipalOptions;

  constructor(options: PrincipalOptions) {
    this.#options = options;
  }

  /**
   * With a token, whoever shows a good one is the same principal through all its rotations, unless a certificate says
   * more. Has to be asked before the connection is upgraded: its ends are not known any more afterwards.
   *
   * @throws {ExaiError} `FORBIDDEN` for another user of the machine, or one nobody can tell
   */
  resolve({ localAddr, remoteAddr, clientCertificate }: RequestContext): Principal {
    const shown = clientCertificate === undefined ? undefined : `certificate ${clientCertificate}`;
    if (this.#options.requiresToken()) return { id: shown ?? OWNER, isOwner: true };
    // The modes of the socket and of its directory have kept others out. The system knows who has connected
    // (SO_PEERCRED), but Deno does not hand out the descriptor it could be asked by.
    if (remoteAddr.transport !== "tcp" || localAddr.transport !== "tcp") return { id: OWNER, isOwner: true };
    const { kind, user } = this.#options.users.ofPeer({ local: localAddr, remote: remoteAddr });
    if (kind !== "own" && this.#options.policy === "own") throw unknownPeerError(kind);
    const isOwner = kind === "own" || shown !== undefined;
    return { id: shown ?? (kind === "own" ? OWNER : `user ${user ?? "unknown"}`), isOwner };
  }
}

function unknownPeerError(kind: "other" | "unknown"): ExaiError {
  const why = kind === "other"
    ? "this connection comes from another user of the machine than the daemon's"
    : "the system does not say which user this connection comes from";
  return new ExaiError(
    "FORBIDDEN",
    `${why}; start the daemon with EXAI_WS_TOKEN=auto to let in who shows its token, ` +
      "or with EXAI_WS_PEERS=any to let in every user of this machine",
  );
}
