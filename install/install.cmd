@echo off
rem Runs install.ps1, which Windows does not run by a double click.
powershell.exe -NoProfile -ExecutionPolicy Bypass -File "%~dp0install.ps1" %*
set code=%errorlevel%
if "%~1"=="" pause
exit /b %code%
