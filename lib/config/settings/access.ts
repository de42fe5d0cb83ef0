import { isAbsolute } from "@std/path/is-absolute";
import { address, BOTH, integer, list, oneOf, seconds, setting, text, textIf } from "../setting.ts";
import { AUTO_TOKEN, isToken, TOKEN_RULE } from "../token_rule.ts";

const isSocket = (value: string) =>
  ["auto", "off"].includes(value) || isAbsolute(value) || value.startsWith("\\\\.\\pipe\\");

const isTokenSetting = (value: string) => ["", AUTO_TOKEN].includes(value) || isToken(value);

/** Where the daemon listens, and who may connect. */
export const ACCESS_SETTINGS = {
  host: address({
    env: "EXAI_WS_HOST",
    programs: BOTH,
    fallback: "127.0.0.1",
    help: "Address the daemon listens on",
  }),
  port: integer(
    {
      env: "EXAI_WS_PORT",
      programs: BOTH,
      fallback: 8765,
      help: "Port the daemon listens on; 0 takes a free one. A program that has the default one is avoided",
    },
    0,
    65535,
  ),
  socket: setting<string>(
    {
      env: "EXAI_SOCKET",
      programs: BOTH,
      fallback: "auto",
      help:
        "Unix socket (named pipe on Windows) that shims try before the address; auto: in the state directory",
    },
    { allowed: "auto, off, or an absolute path", read: textIf(isSocket) },
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
  token: {
    ...setting<string>(
      {
        env: "EXAI_WS_TOKEN",
        programs: BOTH,
        help: "Token clients must show; empty: none; auto: made once and kept in the state directory",
      },
      { allowed: `empty, auto, or ${TOKEN_RULE}`, read: textIf(isTokenSetting) },
    ),
    secret: true,
  },
  tokenGraceMs: seconds(
    {
      env: "EXAI_TOKEN_GRACE",
      fallback: 60,
      help: "How long new connections may still show a token that was rotated; 0: not at all",
    },
    0,
    86_400,
  ),
  allowedHosts: list({
    env: "EXAI_WS_ALLOWED_HOSTS",
    help: "Host header values accepted beside loopback and the listening address",
  }),
  allowedOrigins: list({
    env: "EXAI_WS_ALLOWED_ORIGINS",
    help: "Origin header values accepted; any other Origin is refused",
  }),
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
