import type en from '../en/exports';

export default {} satisfies typeof en;
