/** Version of both programs, sent as `hello_ack.daemon.version`; a release has the tag `v` and this. */
export const VERSION = "0.1.0";

/** Replaced in what `deno task compile` and `deno task release` make (tools/compile/stamp.ts). */
const STAMP: string = "@exai-commit@ @exai-commit-date@ @exai-releases@";

// Asked of the text itself: the bundler would settle a comparison before the stamp is put in.
const [commit = "", committedAt = "", releases = ""] = STAMP.startsWith("@") ? [] : STAMP.split(" ");

/** The commit the program was built from; empty when it runs from source. */
export const COMMIT = commit;

/** When that commit was made, as `2026-11-27T16:00:00Z`: of two builds of one version the later one is newer. */
export const COMMITTED_AT = committedAt;

/** Which release is the newest says this URL; empty where the program was not built for a place of releases. */
export const RELEASES = releases;

/** The version with the commit and its day, for people. */
export function describeVersion(): string {
  if (COMMIT === "") return VERSION;
  // `-modified` stays.
  const commit = COMMIT.replace(/^(\w{9})\w*/, "$1");
  return `${VERSION} (${commit}, ${COMMITTED_AT.slice(0, 10)})`;
}
