/** `file-extract` returns the text and deletes the file; `assistants` keeps the file under an id. */
type FilePurpose = "file-extract" | "assistants";

export interface FileUpload {
  /** The name with its extension, by which the provider detects the format. */
  name: string;
  bytes: Uint8Array;
  purpose: FilePurpose;
}

export interface UploadedFile {
  /** The provider's id; absent if the file was deleted after extraction. */
  id?: string;
  name: string;
  sizeBytes: number;
  /** The extracted text; for `file-extract` only. */
  text?: string;
  /** Whether the text came from the cache. */
  cached: boolean;
}

/** The file storage of a provider. */
export interface FileService {
  /**
   * Uploads `file`; for `file-extract` fetches its text and deletes the upload.
   *
   * @throws {ExaiError} a provider error; the abort reason of `signal`
   */
  upload(file: FileUpload, options: { signal: AbortSignal }): Promise<UploadedFile>;
}

/** A cache of extracted texts, by the hash of the uploaded content. */
export interface TextCache {
  get(key: string): Promise<string | undefined> | string | undefined;
  set(key: string, text: string): Promise<void> | void;
}
