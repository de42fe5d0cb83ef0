export interface TextPart {
  type: "text";
  text: string;
}

export interface ImagePart {
  type: "image";
  /** A `data:` URL with base64 content, or an `https:` URL if the provider fetches images. */
  url: string;
}

/** A document that the model reads itself, with its pictures and tables. */
export interface DocumentPart {
  type: "document";
  /** The name of the file. */
  name: string;
  /** A `data:` URL of a PDF. */
  url: string;
}

export type ContentPart = TextPart | ImagePart | DocumentPart;

export type ChatContent = string | readonly ContentPart[];
