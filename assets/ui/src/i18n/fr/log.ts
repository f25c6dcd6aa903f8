import type en from '../en/log';

export default {} satisfies typeof en;
