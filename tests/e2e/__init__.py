"""Tests of the deployed application: real sam build and deploy, emulator with IAM, real workers."""
