import type { AttachHooks } from "../session/hello.ts";
import type { Guard } from "../edge/guard.ts";
import { Challenge } from "../edge/challenge.ts";
import type { DaemonOptions, DaemonParts } from "./daemon_parts.ts";
import { DAEMON_IDENTITY } from "./handover.ts";

/** What accepting a connection needs of the daemon `parts` belong to. */
export function attachHooks(
  { settings }: DaemonOptions,
  { token, mounts, telemetry, live, paths }: DaemonParts,
  { guard, ...given }:
    & Pick<AttachHooks, "registry" | "target" | "command" | "onNotification" | "modernPeer">
    & {
      guard: Guard;
    },
): AttachHooks {
  const { maxFrameBytes, sessionMaxInflight, callTimeoutMs, helloTimeoutMs } = settings;
  return {
    ...given,
    helloTimeoutMs,
    daemon: { ...DAEMON_IDENTITY, home: paths.home },
    limits: {
      max_bytes: maxFrameBytes,
      session_max_inflight: sessionMaxInflight,
      call_timeout_ms: callTimeoutMs,
    },
    daemonId: mounts.daemonId,
    authenticate: (shown) => guard.authenticate(shown),
    challenge: (asked) => new Challenge(token.validTokens, asked),
    health: () => Promise.resolve(telemetry.health()),
    unusedSettings: (offer) => live?.unusedOf(offer),
    rotateToken: (current, next) => token.rotate(current, next),
  };
}
