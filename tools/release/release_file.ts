import type { SourceStamp } from "../compile/stamp.ts";
import type { Artifact } from "./manifests/data.ts";
import { downloadUrl, PROJECT } from "./project.ts";

/** What a release says of itself is made of these. */
interface DescribedRelease {
  artifacts: readonly Artifact[];
  built: SourceStamp | undefined;
  repository: string;
}

/** What a release says of itself: `exai-daemon update --check` reads the first three, and scripts may read the rest. */
export function releaseFile({ artifacts, built, repository }: DescribedRelease): string {
  return JSON.stringify(
    {
      version: PROJECT.version,
      url: `${repository}/releases/tag/v${PROJECT.version}`,
      published_at: built?.committedAt,
      commit: built?.commit,
      archives: artifacts.map(({ target, file, sha256 }) => ({
        system: target.name,
        url: downloadUrl(repository, file),
        sha256,
      })),
    },
    null,
    2,
  ) + "\n";
}
