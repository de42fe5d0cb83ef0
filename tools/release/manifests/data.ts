import { downloadUrl, type ReleaseTarget } from "../project.ts";

/** An archive that was made. */
export interface Artifact {
  target: ReleaseTarget;
  file: string;
  sha256: string;
}

/** What the manifests of package managers are made of. */
export interface ManifestData {
  repository: string;
  artifacts: readonly Artifact[];
  /** The day of the release, as `2026-11-27`; undefined where no commit is known. */
  day: string | undefined;
}

/** A file for a package manager. */
export interface Manifest {
  path: string;
  text: string;
}

export function urlOf({ repository }: ManifestData, { file }: Artifact): string {
  return downloadUrl(repository, file);
}
