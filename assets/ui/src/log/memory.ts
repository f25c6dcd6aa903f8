/** What this browser remembers of the logs, in its own database: the box cannot change it. */
import type { Alarm, Checkpoint } from './witness';

/** An alarm that was raised here, with both checkpoints: together they are the evidence. */
export interface Kept {
  log: string;
  alarm: Alarm;
  /** RFC 3339. */
  noticed: string;
  remembered: Checkpoint | undefined;
  shown: Checkpoint;
}

export interface Known extends Checkpoint {
  /** When it was last compared, RFC 3339. */
  compared: string;
}

function run<T>(store: 'known' | 'alarms', mode: IDBTransactionMode, work: (s: IDBObjectStore) => IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const opening = indexedDB.open('cardea-witness', 1);
    opening.onupgradeneeded = () => {
      opening.result.createObjectStore('known');
      opening.result.createObjectStore('alarms', { autoIncrement: true });
    };
    opening.onerror = () => reject(opening.error ?? new Error('open the memory of the witness'));
    opening.onsuccess = () => {
      const db = opening.result;
      const tx = db.transaction(store, mode);
      const request = work(tx.objectStore(store));
      tx.oncomplete = () => {
        db.close();
        resolve(request.result);
      };
      tx.onerror = tx.onabort = () => {
        db.close();
        reject(tx.error ?? new Error('use the memory of the witness'));
      };
    };
  });
}

export const recall = (log: string) => run<Known | undefined>('known', 'readonly', (s) => s.get(log) as IDBRequest<Known | undefined>);
export const remember = (log: string, known: Known) => run('known', 'readwrite', (s) => s.put(known, log));
export const keepAlarm = (kept: Kept) => run('alarms', 'readwrite', (s) => s.add(kept));
export const alarms = () => run<Kept[]>('alarms', 'readonly', (s) => s.getAll() as IDBRequest<Kept[]>);
