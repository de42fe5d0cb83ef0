import * as z from "zod/mini";
import { isAbsolute } from "@std/path";
import { BOTH, integer, seconds, setting } from "./setting.ts";

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
      help: "Connections that have not said hello yet; beyond that the one that has waited longest is closed",
    },
    1,
    100_000,
  ),
  helloRate: integer(
    {
      env: "EXAI_WS_HELLO_RATE",
      fallback: 200,
      help:
        "Hellos and wrong tokens taken from one address in a second, five times as many at once; 0: any number",
    },
    0,
    1_000_000,
  ),
} as const;
