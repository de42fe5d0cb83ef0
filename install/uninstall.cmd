@echo off
rem Runs uninstall.ps1, which Windows does not run by a double click. In one line: the script deletes this file.
powershell.exe -NoProfile -ExecutionPolicy Bypass -File "%~dp0uninstall.ps1" %* & (if "%~1"=="" pause) & exit /b
