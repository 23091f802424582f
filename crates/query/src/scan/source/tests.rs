mod governed;
mod history;
mod hostile;
