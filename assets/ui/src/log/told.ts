/** What a sentence about a record is made of; the messages have the sentences. */
export interface Told {
  /** The name of the camera. */
  camera: string;
  /** What it is about, in quotation marks, and without. */
  object: string;
  plain: string;
  /** " 18:02–18:05", or nothing. */
  span: string;
  /** " (detail)", or nothing. */
  more: string;
  refused: boolean;
  /** It is about the account of whoever did it. */
  own: boolean;
}

/** A sentence for each act, to follow the name of whoever did it. */
export type Acts = Record<string, (a: Told) => string>;

/** What a page of records is filtered by, in words. */
export interface Filter {
  who?: string | undefined;
  what?: string | undefined;
  camera?: string | undefined;
  from?: string | undefined;
  to?: string | undefined;
}
