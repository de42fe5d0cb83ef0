import { assert, assertEquals } from "@std/assert";
import { runClientConformance } from "../helpers/client_conformance.ts";

/** What both revisions ask of a client that signs in. */
const SIGN_IN = [
  "auth/metadata-default",
  "auth/metadata-var1",
  "auth/metadata-var2",
  "auth/metadata-var3",
  "auth/basic-cimd",
  "auth/scope-from-www-authenticate",
  "auth/scope-from-scopes-supported",
  "auth/scope-omitted-when-undefined",
  "auth/scope-step-up",
  "auth/scope-retry-limit",
  "auth/token-endpoint-auth-basic",
  "auth/token-endpoint-auth-post",
  "auth/token-endpoint-auth-none",
  "auth/pre-registration",
];

/** What the suite requires of clients: 32 scenarios and 18. */
const REQUIRED: Readonly<Record<string, readonly string[]>> = {
  "2026-07-28": [
    "tools_call",
    "request-metadata",
    "sep-2322-client-request-state",
    "http-standard-headers",
    "http-custom-headers",
    "http-invalid-tool-headers",
    "json-schema-ref-no-deref",
    ...SIGN_IN,
    "auth/resource-mismatch",
    "auth/offline-access-scope",
    "auth/offline-access-not-supported",
    "auth/authorization-server-migration",
    "auth/iss-supported",
    "auth/iss-not-advertised",
    "auth/iss-supported-missing",
    "auth/iss-wrong-issuer",
    "auth/iss-unexpected",
    "auth/iss-normalized",
    "auth/metadata-issuer-mismatch",
  ],
  "2025-11-25": [
    "initialize",
    "tools_call",
    "elicitation-sep1034-client-defaults",
    "sse-retry",
    ...SIGN_IN,
  ],
};

/** Run beside them without a score. */
const UNSCORED: Readonly<Record<string, string | undefined>> = {
  "json-schema-2020-12-preservation": "2026-07-28",
  "auth/client-credentials-basic": undefined,
  "auth/client-credentials-jwt": undefined,
};

const ALL = [
  ...Object.entries(REQUIRED).flatMap(([revision, scenarios]) => scenarios.map((name) => [name, revision])),
  ...Object.entries(UNSCORED),
] as [string, string | undefined][];

for (const [scenario, revision] of ALL) {
  Deno.test(`the daemon conforms as a client of ${revision ?? "an extension"}: ${scenario}`, async () => {
    const { passed, faults } = await runClientConformance(scenario, revision);
    assertEquals(faults, []);
    assert(passed > 0);
  });
}
