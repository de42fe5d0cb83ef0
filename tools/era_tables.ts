import { CODES } from "../lib/wire/codes.ts";
import { errorForEra, LEGACY_MISSING } from "../lib/wire/era_errors.ts";
import { METHODS } from "../lib/wire/era_methods.ts";
import type { RpcError } from "../lib/wire/rpc.ts";
import { code, markdownTable } from "./markdown.ts";

const SENDERS = { client: "client", server: "server", both: "either" } as const;
const IN_BOTH = 2;

/** What becomes of each method of `kind` between the eras. */
function methodsTable(kind: "request" | "notification"): string {
  const rows = Object.entries(METHODS).filter(([, row]) => row.kind === kind).map(([method, row]) => [
    code(method),
    SENDERS[row.from],
    row.eras.length === IN_BOTH ? "both" : row.eras[0] === "legacy" ? "2025" : "2026",
    row.modernClient,
    row.legacyClient,
  ]);
  return markdownTable(["method", "sent by", "era", "client of 2026", "client of 2025"], rows);
}

/** Errors of servers, as the codec writes them for clients of 2026 that have declared nothing. */
const SAMPLES: readonly { what: string; error: RpcError; note: string }[] = [
  {
    what: "a resource is not there",
    error: { code: -32002, message: "" },
    note: "of a server of 2026, -32602 with a `uri` is -32002 for a client of 2025",
  },
  {
    what: "pages are to be visited first (2025)",
    error: { code: -32042, message: "" },
    note:
      "becomes `input_required` for a client that has `elicitation.url`; -32603 where that cannot be the answer",
  },
  {
    what: "a capability is missing",
    error: { code: -32021, message: "", data: { requiredCapabilities: { sampling: {} } } },
    note:
      `names only what the client of this hop has not declared; -32603 when that is nothing. For a client of 2025: ${LEGACY_MISSING}`,
  },
  {
    what: "headers do not match the body",
    error: { code: -32020, message: "" },
    note: "is about the hop between the daemon and the server",
  },
  {
    what: "the revision is not supported",
    error: { code: -32022, message: "" },
    note: "is about the hop between the daemon and the server",
  },
  {
    what: "any other of -32099 to -32020",
    error: { code: -32050, message: "" },
    note: "the revision forbids them; `data.serverCode` has the number",
  },
  {
    what: "anything else",
    error: { code: -32000, message: "" },
    note: "its code, text and data as they came",
  },
];

function errorsTable(): string {
  const rows = SAMPLES.map(({ what, error, note }) => [
    what,
    what === "anything else" ? "any" : `${error.code}`,
    what === "anything else" ? "the same" : `${errorForEra(error, "modern").code}`,
    note,
  ]);
  return markdownTable(["error of a server", "code", "client of 2026", ""], rows);
}

/** The numbers of EXAI's own errors that are not the same in both eras. */
function ownErrorsTable(): string {
  const rows = [
    ["`RESOURCE_NOT_FOUND`", `${CODES.RESOURCE_NOT_FOUND.rpc}`, `${CODES.INVALID_PARAMS.rpc}`],
    ["`MISSING_CAPABILITY`", `${LEGACY_MISSING}`, `${CODES.MISSING_CAPABILITY.rpc}`],
    ["`HEADER_MISMATCH`", "none", `${CODES.HEADER_MISMATCH.rpc}`],
    ["`UNSUPPORTED_REVISION`", "none", `${CODES.UNSUPPORTED_REVISION.rpc}`],
  ];
  return markdownTable(["error of EXAI", "client of 2025", "client of 2026"], rows);
}

/** The generated parts of docs/eras.md. */
export const ERA_TABLES: Readonly<Record<string, () => string>> = {
  "era requests": () => methodsTable("request"),
  "era notifications": () => methodsTable("notification"),
  "era errors": errorsTable,
  "era own errors": ownErrorsTable,
};
