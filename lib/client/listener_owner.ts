import { hostOf, isLoopbackHost } from "./daemon_url.ts";
import { LinkError } from "./link_target.ts";

const ADVICE = "set EXAI_WS_TOKEN=auto for the daemon and its windows, or another EXAI_WS_PORT, " +
  "or EXAI_WS_PEERS=any if the daemon is another user's on purpose";

/**
 * Checks that the program that listens at `url` is our own user's: without a token that is the only proof. Skipped for
 * other machines, and with TLS, where the certificate is the proof.
 *
 * @param options `allowsUnknown`: whether a listener of unknown owner passes
 * @throws {LinkError} `unproven`, or `unreachable` when there is no listener
 */
export async function checkListenerOwner(
  url: string,
  { allowsUnknown }: { allowsUnknown: boolean },
): Promise<void> {
  const address = new URL(url);
  const { protocol, port } = address;
  const host = hostOf(address);
  if (protocol !== "ws:" || !isLoopbackHost(host)) return;
  // Imported on demand: most windows use a socket.
  const { PeerUsers } = await import("../transport/peer_user.ts");
  using users = await PeerUsers.open();
  const { kind } = users.ofListener({ hostname: host, port: Number(port || 80) });
  if (kind === "own" || (kind === "unknown" && allowsUnknown)) return;
  if (kind === "other") {
    throw new LinkError(
      "unproven",
      `another user's program listens at ${url}; nothing was sent to it; ${ADVICE}`,
    );
  }
  // No listener is transient, as of a daemon that has just ended; a system that cannot identify owners is not.
  throw users.isSupported
    ? new LinkError("unreachable", `the system knows of no listener at ${url}`)
    : new LinkError(
      "unproven",
      `this system does not tell whose program listens at ${url}, and there is no token to prove it; ${ADVICE}`,
    );
}
