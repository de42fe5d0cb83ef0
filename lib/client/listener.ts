import { hostOf, isLoopback } from "./loopback.ts";
import { LinkError } from "./link_error.ts";

const ADVICE = "set EXAI_WS_TOKEN=auto for the daemon and its windows, or another EXAI_WS_PORT, " +
  "or EXAI_WS_PEERS=any if the daemon is another user's on purpose";

/**
 * Without a token nothing proves that our daemon listens at an address, so its listener must at least belong to our
 * own user. Not asked beyond this machine, nor with TLS, where the certificate is the proof.
 *
 * @throws {LinkError} `unproven`
 */
export async function checkListener(url: string, { mayBeNobody }: { mayBeNobody: boolean }): Promise<void> {
  const address = new URL(url);
  const { protocol, port } = address;
  const host = hostOf(address);
  if (protocol !== "ws:" || !isLoopback(host)) return;
  // Needed by few windows: most have a socket.
  const { PeerUsers } = await import("../transport/peer_user.ts");
  using users = await PeerUsers.open();
  const { kind } = users.ofListener({ hostname: host, port: Number(port || 80) });
  if (kind === "own" || (kind === "unknown" && mayBeNobody)) return;
  if (kind === "other") {
    throw new LinkError(
      "unproven",
      `another user's program listens at ${url}; nothing was sent to it; ${ADVICE}`,
    );
  }
  // A daemon that has just ended has no listener: that passes, unlike a system that tells nothing.
  throw users.isSupported
    ? new LinkError("unreachable", `the system knows of no listener at ${url}`)
    : new LinkError(
      "unproven",
      `this system does not tell whose program listens at ${url}, and there is no token to prove it; ${ADVICE}`,
    );
}
