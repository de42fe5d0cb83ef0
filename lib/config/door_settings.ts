import * as z from "zod/mini";
import { isAbsolute } from "@std/path/is-absolute";
import { BOTH, integer, oneOf, seconds, setting, text } from "./setting.ts";

const isSocket = (value: string) =>
  ["auto", "off"].includes(value) || isAbsolute(value) || value.startsWith("\\\\.\\pipe\\");

/** The settings of the ways into the daemon beside the WebSocket address itself. */
export const DOOR_SETTINGS = {
  socket: setting<string>(
    {
      env: "EXAI_SOCKET",
      programs: BOTH,
      fallback: "auto",
      help:
        "Unix socket (named pipe on Windows) that shims try before the address; auto: in the state directory",
    },
    { allowed: "auto, off, or an absolute path", schema: z.string().check(z.refine(isSocket)) },
  ),
  peers: oneOf(
    {
      env: "EXAI_WS_PEERS",
      programs: BOTH,
      fallback: "own",
      help:
        "Whose programs the daemon, the shim and the commands speak with at the address while no token is set; own: those of their own user; any: every user's of this machine",
    },
    ["own", "any"],
  ),
  tokenGraceMs: seconds(
    {
      env: "EXAI_TOKEN_GRACE",
      fallback: 60,
      help: "How long new connections may still show a token that was rotated; 0: not at all",
    },
    0,
    86_400,
  ),
  maxPending: integer(
    {
      env: "EXAI_WS_MAX_PENDING",
      fallback: 256,
      help:
        "Connections that have not said hello yet; beyond that the longest waiting of the address with most of them is closed",
    },
    1,
    100_000,
  ),
  helloRate: integer(
    {
      env: "EXAI_WS_HELLO_RATE",
      fallback: 200,
      help:
        "Wrong tokens answered to one address in a second, five times as many at once; without a token: hellos of one user; 0: any number",
    },
    0,
    1_000_000,
  ),
  tlsCert: text({
    env: "EXAI_TLS_CERT",
    help:
      "PEM file of the daemon's certificate, with those between it and its CA; set: the address speaks TLS",
  }),
  tlsKey: text({ env: "EXAI_TLS_KEY", help: "PEM file of its key, which must be private to the user" }),
  tlsClientCa: text({
    env: "EXAI_TLS_CLIENT_CA",
    help: "PEM file of the CA whose certificates clients must show at the address; empty: none is asked",
  }),
  tlsCa: text({
    env: "EXAI_TLS_CA",
    programs: BOTH,
    help:
      "PEM file of the CA the daemon's certificate is checked by; system: the system's; set: connect with TLS",
  }),
  tlsClientCert: text({
    env: "EXAI_TLS_CLIENT_CERT",
    programs: BOTH,
    help: "PEM file of the certificate shown to a daemon that asks for one",
  }),
  tlsClientKey: text({ env: "EXAI_TLS_CLIENT_KEY", programs: BOTH, help: "PEM file of its key" }),
} as const;
