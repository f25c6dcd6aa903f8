import type en from '../en/storage';

export default {} satisfies typeof en;
