import { ExaiError } from "../base/errors.ts";
import { OWN_USER } from "../call/owner.ts";
import type { PeerUsers } from "../transport/peer_user.ts";
import type { RequestContext } from "./request_context.ts";

/** The user or certificate on whose behalf a connection acts. */
export interface Principal {
  /** Equal for all connections of one principal; internal, never sent to a client. */
  id: string;
  /** Whether it is the daemon's user, or has a secret of that user, and so may read the files of its workspace. */
  isOwner: boolean;
}

/** Which users' loopback connections are accepted while no token is required. */
export type PeerPolicy = "own" | "any";

export interface PrincipalOptions {
  /** Identifies the user of a loopback connection. */
  users: Pick<PeerUsers, "ofPeer">;
  policy: PeerPolicy;
  /** Whether a token is required; then users are not identified. */
  requiresToken(): boolean;
}

/** Finds the principal of each connection, and rejects other users of the machine while no token is required. */
export class PrincipalResolver {
  readonly #options: PrincipalOptions;

  constructor(options: PrincipalOptions) {
    this.#options = options;
  }

  /**
   * All clients with a valid token are one principal, also after a rotation, unless they have certificates. Must be
   * called before an upgrade, after which the addresses of the connection are unknown.
   *
   * @throws {ExaiError} `FORBIDDEN` for another user of the machine, and for one that cannot be identified
   */
  resolve({ localAddr, remoteAddr, clientCertificate }: RequestContext): Principal {
    const certificate = clientCertificate === undefined ? undefined : `certificate ${clientCertificate}`;
    if (this.#options.requiresToken()) return { id: certificate ?? OWN_USER, isOwner: true };
    // Only this user can open the socket, by the modes of its file and directory. (Deno does not expose the descriptor
    // for SO_PEERCRED.)
    if (remoteAddr.transport !== "tcp" || localAddr.transport !== "tcp") {
      return { id: OWN_USER, isOwner: true };
    }
    const { kind, user } = this.#options.users.ofPeer({ local: localAddr, remote: remoteAddr });
    if (kind !== "own" && this.#options.policy === "own") throw unknownPeerError(kind);
    const isOwner = kind === "own" || certificate !== undefined;
    return { id: certificate ?? (kind === "own" ? OWN_USER : `user ${user ?? "unknown"}`), isOwner };
  }
}

function unknownPeerError(kind: "other" | "unknown"): ExaiError {
  const why = kind === "other"
    ? "this connection comes from another user of the machine than the daemon's"
    : "the system does not say which user this connection comes from";
  return new ExaiError(
    "FORBIDDEN",
    `${why}; start the daemon with EXAI_WS_TOKEN=auto to let in clients with its token, ` +
      "or with EXAI_WS_PEERS=any to let in every user of this machine",
  );
}
