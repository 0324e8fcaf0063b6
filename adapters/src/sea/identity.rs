mod keys;
mod projects;
